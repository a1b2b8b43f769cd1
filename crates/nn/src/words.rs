//! What serde expected of a value, in words: [`allowed`].

/// What a setting may be, out of serde's error: without Rust's names of types.
///
/// # Examples
///
/// ```
/// use deckle_nn::allowed;
///
/// let of = |error: serde_json::Error| allowed(&error);
/// assert_eq!(serde_json::from_str::<f64>("true").map_err(of), Err("a number".to_owned()));
/// assert_eq!(serde_json::from_str::<bool>("1").map_err(of), Err("true or false".to_owned()));
/// ```
#[must_use]
pub fn allowed(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let Some((_, expected)) = text.rsplit_once("expected ") else {
        let is_any = text.starts_with("data did not match");
        return if is_any { "a value of another type".to_owned() } else { text };
    };
    // Errors of texts say where they are.
    let expected = expected.split(" at line ").next().unwrap_or(expected);
    match expected {
        "usize" | "u64" | "u32" => "a whole number from 0",
        "isize" | "i64" | "i32" => "a whole number",
        "f64" | "f32" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a string" => "a text",
        other => return other.to_owned(),
    }
    .to_owned()
}
