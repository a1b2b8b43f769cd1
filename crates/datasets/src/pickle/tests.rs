//! Pickled lists that are read, and all else that is refused.

use proptest::prelude::*;

use super::*;

/// `[[1, 14, 300], [], [70000, 2, 2147483647]]` as an object array of NumPy: the versions of
/// the pickle protocol as Python 2.7 (0 to 2) and 3.11 (3 to 5) write them.
const PROTOCOLS: [&str; 6] = [
    "636e756d70792e636f72652e6d756c746961727261790a5f7265636f6e7374727563740a70300a28\
     636e756d70790a6e6461727261790a70310a2849300a7470320a532762270a70330a7470340a5270\
     350a2849310a2849330a7470360a636e756d70790a64747970650a70370a2853274f38270a70380a\
     49300a49310a7470390a527031300a2849330a53277c270a7031310a4e4e4e492d310a492d310a49\
     36330a747031320a624930300a286c7031330a286c7031340a49310a614931340a61493330300a61\
     61286c7031350a61286c7031360a4937303030300a6149320a6149323134373438333634370a6161\
     747031370a622e",
    "636e756d70792e636f72652e6d756c746961727261790a5f7265636f6e7374727563740a71002863\
     6e756d70790a6e6461727261790a7101284b007471025501627103747104527105284b01284b0374\
     7106636e756d70790a64747970650a71072855024f3871084b004b0174710952710a284b0355017c\
     710b4e4e4e4affffffff4affffffff4b3f74710c624930300a5d710d285d710e284b014b0e4d2c01\
     655d710f5d7110284a701101004b024affffff7f6565747111622e",
    "8002636e756d70792e636f72652e6d756c746961727261790a5f7265636f6e7374727563740a7100\
     636e756d70790a6e6461727261790a71014b008571025501627103877104527105284b014b038571\
     06636e756d70790a64747970650a710755024f3871084b004b0187710952710a284b0355017c710b\
     4e4e4e4affffffff4affffffff4b3f74710c62895d710d285d710e284b014b0e4d2c01655d710f5d\
     7110284a701101004b024affffff7f6565747111622e",
    "8003636e756d70792e5f636f72652e6d756c746961727261790a5f7265636f6e7374727563740a71\
     00636e756d70790a6e6461727261790a71014b008571024301627103877104527105284b014b0385\
     7106636e756d70790a64747970650a710758020000004f387108898887710952710a284b03580100\
     00007c710b4e4e4e4affffffff4affffffff4b3f74710c62895d710d285d710e284b014b0e4d2c01\
     655d710f5d7110284a701101004b024affffff7f6565747111622e",
    "800495a7000000000000008c166e756d70792e5f636f72652e6d756c74696172726179948c0c5f72\
     65636f6e7374727563749493948c056e756d7079948c076e6461727261799493944b008594430162\
     9487945294284b014b03859468038c0564747970659493948c024f3894898887945294284b038c01\
     7c944e4e4e4affffffff4affffffff4b3f749462895d94285d94284b014b0e4d2c01655d945d9428\
     4a701101004b024affffff7f65657494622e",
    "800595a7000000000000008c166e756d70792e5f636f72652e6d756c74696172726179948c0c5f72\
     65636f6e7374727563749493948c056e756d7079948c076e6461727261799493944b008594430162\
     9487945294284b014b03859468038c0564747970659493948c024f3894898887945294284b038c01\
     7c944e4e4e4affffffff4affffffff4b3f749462895d94285d94284b014b0e4d2c01655d945d9428\
     4a701101004b024affffff7f65657494622e",
];

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn every_protocol_is_read() {
    let expected =
        Sequences::from_iter([vec![1, 14, 300], vec![], vec![70_000, 2, 2_147_483_647]]);
    for hex in PROTOCOLS {
        assert_eq!(read_lists(&bytes(hex), &[3]), Ok(expected.clone()), "{hex}");
    }
}

/// A pickle of protocol 4 around the array's state.
fn pickle(shape: &[u8], list: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n".to_vec();
    bytes.extend(b"(cnumpy\nndarray\nK\x00\x85C\x01btR(K\x01(");
    bytes.extend(shape);
    bytes.extend(b"tcnumpy\ndtype\n(U\x02O8\x89\x88tR\x89");
    bytes.extend(list);
    bytes.extend(b"tb.");
    bytes
}

#[track_caller]
fn check(bytes: &[u8], shape: &[usize], expected: &str) {
    assert_eq!(read_lists(bytes, shape), Err(expected.into()));
}

#[test]
fn rows_of_equal_length_are_read() {
    let rows = pickle(b"K\x02K\x03", b"](K\x01K\x02K\x03K\x04K\x05K\x06e");
    let expected = Sequences::from_iter([vec![1, 2, 3], vec![4, 5, 6]]);
    assert_eq!(read_lists(&rows, &[2, 3]), Ok(expected));
    let none = pickle(b"K\x00", b"]");
    assert_eq!(read_lists(&none, &[0]), Ok(Sequences::new()));
    let long = pickle(b"K\x01", b"]](\x8a\x00\x8a\x02\x00\x01L70000L\nea");
    assert_eq!(read_lists(&long, &[1]), Ok(Sequences::from_iter([vec![0, 256, 70_000]])));
}

#[test]
fn names_outside_numpy_are_errors() {
    check(
        b"cos\nsystem\n(S'ls'\ntR.",
        &[1],
        "the pickle asks for `os.system`, which is not loaded from data",
    );
    check(
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.",
        &[1],
        "the pickle asks for `builtins.eval`, which is not loaded from data",
    );
    check(
        b"(dp0\n.",
        &[1],
        "pickle instruction 0x64 at byte 1, which lists of integers do not need",
    );
}

#[test]
fn what_is_no_list_of_ids_is_an_error() {
    let one = |list: &[u8]| pickle(b"K\x01", list);
    check(&one(b"]]J\xff\xff\xff\xffaa"), &[1], "-1 is no id; ids are 0 to 4294967295");
    check(&one(b"]]Naa"), &[1], "an element that is neither a number nor a list");
    check(&one(b"]K\x01a"), &[1], "another number of lists than announced");
    check(&one(b"]K\x01a]a"), &[1], "a list among numbers");
    check(&one(b"]]aK\x01a"), &[1], "a number among lists");
    check(&one(b"]]a]a"), &[1], "more than the 1 lists announced");
    check(&one(b"]"), &[1], "another number of lists than announced");
    check(&one(b"]]a"), &[2], "an array of shape [1], where [2] was announced");
    check(&one(b"N"), &[1], "the state of an array that NumPy does not write");
    check(&[&one(b"]]a")[..], b"x"].concat(), &[1], "1 bytes after the end");
    check(b"N.", &[1], "the end comes before the array");
    check(b"\x80\x06.", &[1], "pickle protocol 6, beyond 5");
    check(
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff",
        &[1],
        "a frame reaches beyond the end",
    );
    check(b"", &[1000], "1000 lists cannot be in 0 bytes");
    check(b"T\xff\xff\xff\xff", &[1], "the pickle is cut off");
    check(b"(((0", &[1], "a value is missing");
    check(b"N(0.", &[1], "a value is missing");
    check(b"](Na", &[1], "elements of a list behind a mark");
}

/// One long list in many places would be the square of the file's length.
#[test]
fn a_list_in_many_places_is_limited() {
    let count = 2000;
    let mut list = b"](]".to_vec();
    list.extend(b"(");
    list.extend(b"K\x01".repeat(5000));
    list.extend(b"eq\x07");
    list.extend(b"h\x07".repeat(count - 1));
    list.extend(b"e");
    let shape = [b"M".as_slice(), &(count as u16).to_le_bytes()].concat();
    check(
        &pickle(&shape, &list),
        &[count],
        "more ids than a file of this length should hold",
    );
}

#[test]
fn marks_without_end_are_limited() {
    check(&b"(".repeat(MAX_STACK + 1), &[1], "too many marks");
    check(&b"N".repeat(MAX_STACK + 1), &[1], "too many values at once");
    check(&b")".repeat(MAX_TUPLES + 1), &[1], "too many tuples");
    let memo: Vec<u8> = std::iter::once(b"N".to_vec())
        .chain((0..3000u32).map(|key| [&b"r"[..], &key.to_le_bytes()].concat()))
        .flatten()
        .collect();
    check(&memo, &[1], "too many values remembered");
}

#[test]
fn every_truncation_is_an_error() {
    for hex in PROTOCOLS {
        let whole = bytes(hex);
        for len in 0..whole.len() {
            assert!(read_lists(&whole[..len], &[3]).is_err(), "{len} of {hex}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0usize..5,
    ) {
        let _ = read_lists(&bytes, &[count]);
        let _ = read_lists(&bytes, &[count, 2]);
    }

    /// Instructions that make sense more often than any bytes do.
    #[test]
    fn arbitrary_instructions_never_panic(
        codes in prop::collection::vec(prop::sample::select(&b"()]laetRb0NK\x01\x85\x86\x94h\x00."[..]), 0..60),
    ) {
        let _ = read_lists(&codes, &[2]);
        let _ = read_lists(&pickle(b"K\x02", &codes), &[2]);
    }

    #[test]
    fn changed_bytes_never_panic(
        protocol in 0usize..6, at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut bytes = bytes(PROTOCOLS[protocol]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read_lists(&bytes, &[3]);
    }
}
