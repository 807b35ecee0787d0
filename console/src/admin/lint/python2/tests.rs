//! Each rewrite, and what is left alone.

use super::*;

#[test]
fn statements_of_python_2_are_rewritten() {
    for (old, new) in [
        ("print 'a'", "print('a')"),
        ("print 'a', b,", "print('a', b, end=' ')"),
        ("print", "print()"),
        ("print >>sys.stderr, 'a', b", "print('a', b, file=sys.stderr)"),
        ("print >>f", "print(file=f)"),
        ("if x: print y", "if x: print(y)"),
        ("a = 1; print a", "a = 1; print(a)"),
        ("print not a", "print(not a)"),
        ("exec 'x = 1'", "exec('x = 1')"),
        ("exec code in names, more", "exec(code, names, more)"),
        ("raise ValueError, 'bad'", "raise ValueError('bad')"),
        ("raise E, (1, 2)", "raise E(1, 2)"),
        ("raise E, v, tb", "raise E(v).with_traceback(tb)"),
        (
            "try:\n    a()\nexcept Exception, e:\n    b()",
            "try:\n    a()\nexcept Exception as e:\n    b()",
        ),
        ("except (A, B), e: pass", "except (A, B) as e: pass"),
        ("x = `y` + ur'\\d'", "x = repr(y) + r'\\d'"),
        ("if a <> b: pass", "if a != b: pass"),
        ("os.chmod(f, 0777)", "os.chmod(f, 0o777)"),
        ("x = 10L + 0xFFL + 08", "x = 10 + 0xFF + 8"),
        ("print `x`, 010", "print(repr(x), 0o10)"),
    ] {
        assert_eq!(modernise(old).text, new, "{old}");
        assert!(!modernise(old).leftovers.is_empty(), "{old}");
    }
}

#[test]
fn python_3_is_left_alone() {
    for text in [
        "print('a', end='')",
        "print ('a')",
        "raise E('a') from e",
        "raise E((a, b))",
        "except (A, B) as e:",
        "x = 0 + 00 + 0o777 + 0xFF + 1e5 + 1_000 + 0.5 + 0b11 + 1j",
        "x = u'a' + rb'b' + f'{a}'",
        "exec('x', {})",
        "print = log",
        "x = {'print': 1}\nlambda: print",
        "for print in x: pass",
        "'print x'\n# print x",
    ] {
        let modern = modernise(text);
        assert_eq!(modern.text, text);
        assert_eq!(modern.leftovers, [], "{text}");
    }
}

#[test]
fn a_place_behind_rewrites_is_found_again() {
    let old = "print 'a'; wrong(0777)";
    let modern = modernise(old);
    let at = modern.text.find("wrong").unwrap();
    assert_eq!(modern.original(at), old.find("wrong").unwrap());
    assert_eq!(modern.leftovers[0].rewrite, "write `print('a')`");
}
