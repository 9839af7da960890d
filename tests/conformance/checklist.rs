//! The checklist, read: rows, inputs and their escapes.

use crate::outcome::Outcome;

/// One row: what is sent and what may come back.
pub struct Row {
    pub id: String,
    pub section: String,
    pub level: Level,
    pub input: Input,
    /// What the RFC permits.
    pub allowed: Outcome,
    /// What passes.
    pub wanted: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Must,
    Should,
    May,
    Hard,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub steps: Vec<Step>,
    /// One byte per segment, whichever way the row is run.
    pub bytewise: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Send(Vec<u8>),
    /// What follows is sent later.
    Pause,
    /// The client ends its side.
    HalfClose,
}

impl Input {
    /// All bytes, wherever the pauses are.
    pub fn bytes(&self) -> Vec<u8> {
        let sent = self.steps.iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(&bytes[..]),
            _ => None,
        });
        sent.collect::<Vec<_>>().concat()
    }

    pub fn half_closes(&self) -> bool {
        self.steps.contains(&Step::HalfClose)
    }
}

/// All rows with an input, in order. Duties, which have none, stand in a table of four columns and are passed over;
/// every other line of a table must be understood.
pub fn parse(text: &str) -> Result<Vec<Row>, String> {
    let mut rows: Vec<Row> = Vec::new();
    let mut columns = 0;
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells = cells(line).ok_or_else(|| format!("not a row: {line}"))?;
        if cells[0] == "id" {
            columns = cells.len();
        } else if columns != cells.len() || !matches!(columns, 4 | 6) {
            return Err(format!("{} columns where {columns} are due: {line}", cells.len()));
        } else if columns == 6 && !cells[0].starts_with("---") {
            let row = row(&cells).map_err(|error| format!("{}: {error}", cells[0]))?;
            if rows.iter().any(|other| other.id == row.id) {
                return Err(format!("{} stands there twice", row.id));
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

/// The cells of a line. A `|` between backticks is part of its cell.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim_end().strip_prefix('|')?.strip_suffix('|')?;
    let mut code = false;
    let split = inner.split(|c: char| {
        code ^= c == '`';
        c == '|' && !code
    });
    Some(split.map(str::trim).collect())
}

fn row(cells: &[&str]) -> Result<Row, String> {
    let [id, section, level, input, allowed, wanted] = cells else { return Err("not six cells".to_owned()) };
    let level = match *level {
        "MUST" => Level::Must,
        "SHOULD" => Level::Should,
        "MAY" => Level::May,
        "HARD" => Level::Hard,
        other => return Err(format!("level {other}")),
    };
    let source = input.strip_prefix('`').and_then(|input| input.strip_suffix('`')).ok_or("input without backticks")?;
    Ok(Row {
        id: (*id).to_owned(),
        section: (*section).to_owned(),
        level,
        input: parse_input(source)?,
        allowed: Outcome::parse(allowed)?,
        wanted: Outcome::parse(if *wanted == "=" { allowed } else { wanted })?,
    })
}

/// An input cell, without its backticks.
pub fn parse_input(source: &str) -> Result<Input, String> {
    let (bytewise, mut rest) = match source.strip_prefix("{bytewise}") {
        Some(rest) => (true, rest),
        None => (false, source),
    };
    let mut steps = Vec::new();
    let mut bytes = Vec::new();
    while let Some(open) = rest.find('{') {
        unescape(&rest[..open], &mut bytes)?;
        let (inner, after) = rest[open + 1..].split_once('}').ok_or("{ without }")?;
        rest = after;
        let step = match inner {
            "H" => {
                bytes.extend_from_slice(b"Host: a\r\n");
                continue;
            }
            "pause" => Step::Pause,
            "eof" => Step::HalfClose,
            repeated => {
                let (unit, times) = repeated.rsplit_once('*').ok_or_else(|| format!("{{{repeated}}}"))?;
                let times: usize = times.parse().map_err(|_| format!("{{{repeated}}}"))?;
                let mut once = Vec::new();
                unescape(unit, &mut once)?;
                bytes.extend_from_slice(&once.repeat(times));
                continue;
            }
        };
        steps.push(Step::Send(std::mem::take(&mut bytes)));
        steps.push(step);
    }
    unescape(rest, &mut bytes)?;
    steps.push(Step::Send(bytes));
    steps.retain(|step| *step != Step::Send(Vec::new()));
    let ends = steps.iter().position(|step| *step == Step::HalfClose).is_none_or(|at| at + 1 == steps.len());
    if ends { Ok(Input { steps, bytewise }) } else { Err("bytes after {eof}".to_owned()) }
}

/// C escapes: `\r \n \t \0 \\ \" \xHH`.
fn unescape(text: &str, bytes: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match rest.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('"') => b'"',
            Some('x') => {
                let mut digit = || rest.next().and_then(|digit| digit.to_digit(16));
                let (high, low) = digit().zip(digit()).ok_or("\\x without two digits")?;
                u8::try_from(high * 16 + low).map_err(|error| error.to_string())?
            }
            other => return Err(format!("escape {other:?}")),
        });
    }
    Ok(())
}

#[test]
fn escapes_and_repetitions_give_bytes() {
    let bytes = |source| parse_input(source).map(|input| input.bytes());
    assert_eq!(bytes(r"a\r\n\t\0\\\x7f\xC3\xa9"), Ok(b"a\r\n\t\0\\\x7f\xc3\xa9".to_vec()));
    assert_eq!(bytes(r#"0;d="x;\\"y""#), Ok(br#"0;d="x;\"y""#.to_vec()));
    assert_eq!(bytes(r"{H}{ab\r\n*3}{x*0}."), Ok(b"Host: a\r\nab\r\nab\r\nab\r\n.".to_vec()));
    for bad in [r"\q", r"\x4", r"\xgg", "\\", "{H", "{nothing}", "{a*}", "{a*b}", "{eof}a"] {
        assert!(bytes(bad).is_err(), "{bad}");
    }
}

#[test]
fn pauses_and_the_end_are_steps() {
    let send = |text: &str| Step::Send(text.as_bytes().to_vec());
    let input = parse_input("{bytewise}a{pause}b{eof}").unwrap();
    assert_eq!(input, Input { steps: vec![send("a"), Step::Pause, send("b"), Step::HalfClose], bytewise: true });
    assert!(input.half_closes());
    assert_eq!(parse_input("a").unwrap(), Input { steps: vec![send("a")], bytewise: false });
}

#[test]
fn a_row_that_is_not_understood_is_an_error() {
    let table = |row: &str| {
        parse(&format!("| id | section | level | input | allowed | wanted |\n|---|---|---|---|---|---|\n{row}"))
    };
    let rows = table("| A01 | 1 | MAY | `a|b` | 200 | = |\n").unwrap();
    assert_eq!((rows.len(), rows[0].input.bytes(), rows[0].level), (1, b"a|b".to_vec(), Level::May));
    for bad in [
        "| A01 | 1 | MAY | `a` | 200 |",
        "| A01 | 1 | MAY | `a` | 200 | =",
        "| A01 | 1 | CAN | `a` | 200 | = |",
        "| A01 | 1 | MAY | a | 200 | = |",
        "| A01 | 1 | MAY | `a` | 2000 | = |",
        "| A01 | 1 | MAY | `{b}` | 200 | = |",
        "| A01 | 1 | MAY | `a` | 200 | = |\n| A01 | 1 | MAY | `a` | 200 | = |",
    ] {
        assert!(table(bad).is_err(), "{bad}");
    }
}
