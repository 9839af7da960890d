//! The language of outcomes: `STATUS[,STATUS...] [flags]`, alternatives joined by ` or `.

use std::fmt;

use midge_tests::wire::Response;

/// What may come back: any of the alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    source: String,
    alternatives: Vec<Alternative>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Alternative {
    /// For each answer, the patterns of which one must match. None at all for `none`.
    statuses: Vec<Vec<Pattern>>,
    flags: Vec<Flag>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    Code(u16),
    /// `2xx` and the like, by its digit.
    Class(u16),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Flag {
    State(State),
    Echo(String),
    Nobody,
    Has(String),
    Hasnt(String),
    NotBody(String),
    Continue,
    NoContinue,
}

/// The connection after the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Close,
    /// It neither ends nor answers: in no alternative.
    Stuck,
}

impl Outcome {
    pub fn parse(source: &str) -> Result<Self, String> {
        let alternatives = source.split(" or ").map(Alternative::parse).collect::<Result<_, _>>()?;
        Ok(Self { source: source.to_owned(), alternatives })
    }

    pub fn matches(&self, responses: &[Response], state: State) -> bool {
        self.alternatives.iter().any(|alternative| alternative.matches(responses, state))
    }

    /// How many answers there are to wait for.
    pub fn most(&self) -> usize {
        self.alternatives.iter().map(|alternative| alternative.statuses.len()).max().unwrap_or(0)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Alternative {
    fn parse(source: &str) -> Result<Self, String> {
        let (statuses, mut rest) = source.split_once(' ').unwrap_or((source, ""));
        let statuses = match statuses {
            "none" => Vec::new(),
            list => list.split(',').map(patterns).collect::<Result<_, _>>()?,
        };
        let mut flags = Vec::new();
        while !rest.is_empty() {
            // An echoed text may hold blanks: it goes on to the end.
            if let Some(text) = rest.strip_prefix("echo=") {
                flags.push(Flag::Echo(text.to_owned()));
                break;
            }
            let (flag, after) = rest.split_once(' ').unwrap_or((rest, ""));
            flags.push(Flag::parse(flag)?);
            rest = after;
        }
        Ok(Self { statuses, flags })
    }

    fn matches(&self, responses: &[Response], state: State) -> bool {
        let status = |(patterns, response): (&Vec<Pattern>, &Response)| {
            patterns.iter().any(|pattern| pattern.matches(response.head.status))
        };
        state != State::Stuck
            && self.statuses.len() == responses.len()
            && self.statuses.iter().zip(responses).all(status)
            && self.flags.iter().all(|flag| flag.matches(responses, state))
    }
}

fn patterns(choice: &str) -> Result<Vec<Pattern>, String> {
    choice.split('/').map(Pattern::parse).collect()
}

impl Pattern {
    fn parse(source: &str) -> Result<Self, String> {
        let (digits, class) = source.strip_suffix("xx").map_or((source, false), |digits| (digits, true));
        let number = digits.parse().map_err(|_| format!("status {source}"))?;
        match (class, number) {
            (true, 1..=5) => Ok(Self::Class(number)),
            (false, 100..=599) => Ok(Self::Code(number)),
            _ => Err(format!("status {source}")),
        }
    }

    fn matches(self, status: u16) -> bool {
        match self {
            Self::Code(code) => code == status,
            Self::Class(class) => class == status / 100,
        }
    }
}

impl Flag {
    fn parse(source: &str) -> Result<Self, String> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned()).ok_or_else(|| format!("flag {source}"));
        Ok(match source.split_once(':') {
            None => match source {
                "open" => Self::State(State::Open),
                "close" => Self::State(State::Close),
                "nobody" => Self::Nobody,
                "cont" => Self::Continue,
                "nocont" => Self::NoContinue,
                _ => return Err(format!("flag {source}")),
            },
            Some(("has", name)) => Self::Has(text(name)?),
            Some(("hasnt", name)) => Self::Hasnt(text(name)?),
            Some(("notbody", content)) => Self::NotBody(text(content)?),
            Some(_) => return Err(format!("flag {source}")),
        })
    }

    fn matches(&self, responses: &[Response], state: State) -> bool {
        let last = |test: &dyn Fn(&Response) -> bool| responses.last().is_some_and(test);
        let continued = || responses.iter().flat_map(|response| &response.interim).any(|head| head.status == 100);
        match self {
            Self::State(wanted) => *wanted == state,
            Self::Echo(content) => last(&|response| response.content == content.as_bytes()),
            Self::Nobody => last(&|response| response.content.is_empty()),
            Self::Has(name) => last(&|response| response.head.value(name).is_some()),
            Self::Hasnt(name) => last(&|response| response.head.value(name).is_none()),
            Self::NotBody(content) => last(&|response| {
                let (content, within) = (content.to_ascii_lowercase(), response.content.to_ascii_lowercase());
                !within.windows(content.len()).any(|window| window == content.as_bytes())
            }),
            Self::Continue => continued(),
            Self::NoContinue => !continued(),
        }
    }
}

#[cfg(test)]
mod tests {
    use midge_tests::wire::{Field, Framing, Head};

    use super::*;

    fn response(status: u16, fields: &[&str], content: &str) -> Response {
        let fields = fields.iter().map(|name| Field { name: (*name).to_owned(), value: Vec::new() }).collect();
        Response {
            interim: Vec::new(),
            head: Head { minor: 1, status, reason: Vec::new(), fields },
            content: content.as_bytes().to_vec(),
            trailers: Vec::new(),
            framing: Framing::Length,
        }
    }

    fn matches(outcome: &str, responses: &[Response], state: State) -> bool {
        Outcome::parse(outcome).unwrap().matches(responses, state)
    }

    #[test]
    fn statuses_match_by_code_class_choice_and_count() {
        let ok = response(200, &[], "");
        let bad = response(400, &[], "");
        for (outcome, responses, yes) in [
            ("200", vec![&ok], true),
            ("200", vec![&bad], false),
            ("200", vec![], false),
            ("200", vec![&ok, &ok], false),
            ("4xx", vec![&bad], true),
            ("2xx", vec![&bad], false),
            ("505/400", vec![&bad], true),
            ("505/501", vec![&bad], false),
            ("200,400", vec![&ok, &bad], true),
            ("200,400", vec![&bad, &ok], false),
            ("200,400/501", vec![&ok, &bad], true),
            ("none", vec![], true),
            ("none", vec![&ok], false),
            ("411 or 4xx", vec![&bad], true),
            ("200,200 or 400", vec![&bad], true),
        ] {
            let responses: Vec<_> = responses.into_iter().cloned().collect();
            assert_eq!(matches(outcome, &responses, State::Open), yes, "{outcome} {responses:?}");
            assert!(!matches(outcome, &responses, State::Stuck));
        }
    }

    #[test]
    fn each_flag_is_looked_at() {
        let mut continued = response(200, &["Date"], "hello world");
        continued.interim.push(Head { minor: 1, status: 100, reason: Vec::new(), fields: Vec::new() });
        let responses = [response(400, &["Allow"], ""), continued];
        for (flags, yes) in [
            ("open", true),
            ("close", false),
            ("echo=hello world", true),
            ("echo=hello", false),
            ("open cont echo=hello world", true),
            ("close cont echo=hello world", false),
            ("nobody", false),
            ("has:date", true),
            ("has:Allow", false),
            ("hasnt:Allow", true),
            ("hasnt:Date", false),
            ("notbody:WORLD", false),
            ("notbody:s=1", true),
            ("cont", true),
            ("nocont", false),
        ] {
            assert_eq!(matches(&format!("400,200 {flags}"), &responses, State::Open), yes, "{flags}");
        }
        assert!(matches("none close", &[], State::Close));
        assert!(matches("200 open or 400 close", &responses[..1], State::Close));
        assert!(matches("400 nobody", &responses[..1], State::Close));
        assert!(!matches("none echo=", &[], State::Close));
    }

    #[test]
    fn the_number_of_answers_to_wait_for_is_the_greatest() {
        assert_eq!(Outcome::parse("none close or 400/408 close").unwrap().most(), 1);
        assert_eq!(Outcome::parse("200,200 open or 411,200").unwrap().most(), 2);
        assert_eq!(Outcome::parse("none open").unwrap().most(), 0);
    }

    #[test]
    fn what_is_not_in_the_language_is_an_error() {
        for bad in ["", "20", "600", "6xx", "200,", "200 shut", "200 has:", "200 has", "200 is:a", "200 or", "="] {
            assert!(Outcome::parse(bad).is_err(), "{bad}");
        }
    }
}
