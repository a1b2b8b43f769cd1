//! Settings that Keras takes in more than one form: [`settled`].

use serde_json::Value;

/// What `make` makes of a layer's settings, as Keras takes them: no `data_format` is the default,
/// and what is to be true or false may be 1, or 0 or nothing.
///
/// Keras keeps such settings as they were given, and so they come from files. Other numbers, which
/// Keras takes as true, are more likely mistakes.
pub(super) fn settled<T>(
    mut config: Value,
    make: impl Fn(Value) -> serde_json::Result<T>,
) -> serde_json::Result<T> {
    if let Some(settings) = config.as_object_mut()
        && settings.get("data_format").is_some_and(Value::is_null)
    {
        settings.shift_remove("data_format");
    }
    loop {
        let error = match make(config.clone()) {
            Ok(made) => return Ok(made),
            Err(error) => error,
        };
        let text = error.to_string();
        if !text.ends_with(BOOLEAN) {
            return Err(error);
        }
        // Which setting it is, an error says that quotes what is put there.
        let is_it = |key: &str| {
            let mut probe = config.clone();
            probe[key] = PROBE.into();
            let said =
                make(probe).map_or_else(|error| error.to_string(), |_| String::new());
            said.contains(PROBE) && said.ends_with(BOOLEAN)
        };
        let settings = config.as_object().into_iter().flatten();
        // Nothing may be a setting where it is not what the error is of.
        let is_meant = |value: &Value| value.is_null() == text.contains("null");
        let settings = settings.filter(|(_, value)| is_meant(value));
        let mut truths = settings.filter_map(|(key, value)| Some((key, truth(value)?)));
        let Some((key, truth)) = truths.find(|(key, _)| is_it(key)) else {
            return Err(error);
        };
        let key = key.clone();
        config[key] = truth.into();
    }
}

/// How errors end about what is not true or false.
const BOOLEAN: &str = "expected a boolean";

/// What no setting is.
const PROBE: &str = "neither true nor false";

/// What 0, 1 and nothing are in Python as a condition.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        _ => None,
    }
}
