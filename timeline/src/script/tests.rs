//! Script notation by example.

use super::{parse, parse_all, print};

#[test]
fn the_notation_is_the_one_of_the_documents() {
    let script = "\
request \"r-1\" method \"POST\" path \"/pay\"
known_until 5.000000
0.000000 #11 create 2 root 1
0.000113 #12 request_headers 2 n=10 -> continue
0.001870 #13 request_body 2 size=14 end -> pause
0.001902 #14   dispatch http \"slow\" timeout=5s -> ok call 4
0.005114 #15 response_headers 2 n=5 -> continue
0.006020 #16 log 2
0.006031 #17 done 2
0.006040 #18 delete 2
2.002377 #19 http_call_response root 1 call 4 headers=3 body=2 code=200
2.002390 #20   set_effective_context context=2 -> bad_argument
2.002391 #21   continue_stream request -> ok
2.002395 #23 done 2 \"panicked at src/lib.rs:9:5:\\nno\" -> (unfinished)
2.002399 #22   log_line \"too \\\"late\\\"\\n\" level=2 -> ok +text_cut
2.002399 #24   annotation \"user=7\" -> not_found
";
    assert_eq!(print(&parse(script).unwrap()), script);
}

#[test]
fn a_wrong_line_is_named() {
    for (script, expected) in [
        ("\n0.1 #x create 2", "line 2: `#x` is no sequence number, written #N"),
        ("0.1 #1 creat 2", "line 1: `creat` is no callback or hostcall"),
        ("0.1 #1 request_headers 2 size=3", "line 1: request_headers has no `size`"),
        ("0.1 #1 log 2 \"never ends", "line 1: a quoted text does not end: add a closing quote"),
        ("hello", "line 1: `hello` is neither a time in seconds nor the name of a header line"),
    ] {
        assert_eq!(parse(script).unwrap_err().to_string(), expected);
    }
}

#[test]
fn texts_put_one_behind_the_other_are_several_timelines() {
    let one = |id: &str| format!("// found: nothing\n\ninstance {id}\n0.0 #1 create 2 root 1\n");
    let (a, b) = ("0".repeat(31) + "1", "0".repeat(31) + "2");
    let both = parse_all(&(one(&a) + &one(&b))).unwrap();
    let ids: Vec<String> = both.iter().map(|t| t.instance.to_string()).collect();
    assert_eq!(ids, [a.clone(), b.clone()]);
    let wrong = one(&a) + "---\n" + &one(&b) + "0.1 #2 crate 2\n";
    assert_eq!(
        parse_all(&wrong).unwrap_err().to_string(),
        "line 10: `crate` is no callback or hostcall"
    );
    for nothing in ["", "\n// only a comment\n"] {
        assert!(parse_all(nothing).unwrap_err().what.contains("no timeline stands here"));
    }
}
