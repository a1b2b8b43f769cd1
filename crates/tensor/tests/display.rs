//! The text of tensors against that of NumPy's arrays (`tools/golden/display.py`).

use std::path::Path;

use deckle_tensor::Npz;

#[test]
fn tensors_print_as_numpys_arrays() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let arrays = Npz::open(data.join("display.npz")).unwrap();
    let texts = std::fs::read_to_string(data.join("display.txt")).unwrap();
    let mut texts = texts.trim_start_matches("== ").split("\n== ");
    for array in arrays.tensors() {
        let (name, tensor) = array.unwrap();
        let expected = texts.next().unwrap().trim_end_matches('\n');
        let found = format!("{name}\n{tensor}");
        assert!(found == expected, "{tensor:?}\nNumPy {expected}\n\nhere  {found}");
    }
    assert_eq!(texts.next(), None);
}
