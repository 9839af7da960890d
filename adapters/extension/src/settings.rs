//! What the environment says, checked.

use std::{
    ffi::OsString,
    fmt,
    net::{IpAddr, Ipv4Addr},
};

/// What the extension's own variables say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The address that the server listens on.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// The name by which the platform reaches the server.
    pub(crate) destination: String,
    /// Of the metrics in CloudWatch.
    pub(crate) namespace: String,
    /// Whether embedded metric format lines are written.
    pub(crate) metrics: bool,
    /// Milliseconds for which the platform gathers events before it pushes them.
    pub(crate) buffer_ms: u32,
}

/// A variable that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadVariable {
    name: &'static str,
    value: String,
    wanted: &'static str,
}

impl fmt::Display for BadVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, wanted } = self;
        write!(f, "{name} is {value:?}: wanted {wanted}")
    }
}

impl Settings {
    /// Reads all variables; one that is empty counts as one that isn't there.
    pub(crate) fn read(variable: impl Fn(&'static str) -> Option<OsString>) -> Result<Self, BadVariable> {
        let settings = Self {
            address: value(&variable, HOST, Ipv4Addr::UNSPECIFIED.into(), |text| text.parse().ok(), "an IP address")?,
            port: value(
                &variable,
                PORT,
                8_081,
                |text| text.parse().ok().filter(|port| *port != 0),
                "a port, a number from 1 to 65535",
            )?,
            destination: value(
                &variable,
                DESTINATION,
                "sandbox.localdomain".to_owned(),
                |text| text.bytes().all(is_host_byte).then(|| text.to_owned()),
                "a host name without port",
            )?,
            namespace: value(&variable, NAMESPACE, "midge".to_owned(), namespace, NAMESPACE_WANTED)?,
            metrics: value(
                &variable,
                METRICS,
                true,
                |text| match text {
                    "emf" => Some(true),
                    "off" => Some(false),
                    _ => None,
                },
                "emf or off",
            )?,
            buffer_ms: value(
                &variable,
                BUFFER,
                1_000,
                |text| text.parse().ok().filter(|millis| (25..=30_000).contains(millis)),
                "milliseconds, a number from 25 to 30000",
            )?,
        };
        Ok(settings)
    }
}

/// Names of the variables.
const HOST: &str = "MIDGE_EXTENSION_HOST";
const PORT: &str = "MIDGE_EXTENSION_PORT";
const DESTINATION: &str = "MIDGE_EXTENSION_DESTINATION";
const NAMESPACE: &str = "MIDGE_EXTENSION_NAMESPACE";
const METRICS: &str = "MIDGE_EXTENSION_METRICS";
const BUFFER: &str = "MIDGE_EXTENSION_BUFFER_MS";

const NAMESPACE_WANTED: &str =
    "1 to 255 of the characters A-Z a-z 0-9 . - _ / # : and blank, not only blanks, and not AWS/ at the beginning";

fn value<T>(
    variable: impl Fn(&'static str) -> Option<OsString>,
    name: &'static str,
    default: T,
    parse: impl FnOnce(&str) -> Option<T>,
    wanted: &'static str,
) -> Result<T, BadVariable> {
    let given = match variable(name) {
        Some(given) if !given.is_empty() => given,
        _ => return Ok(default),
    };
    let parsed = given.to_str().and_then(parse);
    parsed.ok_or_else(|| BadVariable { name, value: given.to_string_lossy().into_owned(), wanted })
}

const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// What CloudWatch takes for a namespace.
fn namespace(text: &str) -> Option<String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#: ".contains(&byte);
    let taken = text.len() <= 255 && text.bytes().all(known) && !text.trim().is_empty() && !text.starts_with("AWS/");
    taken.then(|| text.to_owned())
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test that panics has failed, and says where")]
mod tests {
    use std::ffi::OsString;

    use super::Settings;

    fn read(given: &[(&str, &str)]) -> Result<Settings, String> {
        let variable = |name: &str| {
            let value = given.iter().find(|(given, _)| *given == name)?.1;
            Some(OsString::from(value))
        };
        Settings::read(variable).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_stand_where_nothing_is_said() {
        let defaults = read(&[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(defaults.address.to_string(), "0.0.0.0");
        assert_eq!((defaults.port, defaults.buffer_ms, defaults.metrics), (8_081, 1_000, true));
        assert_eq!((defaults.destination.as_str(), defaults.namespace.as_str()), ("sandbox.localdomain", "midge"));
        assert_eq!(read(&[("MIDGE_EXTENSION_PORT", "")]), Ok(defaults));
    }

    #[test]
    fn every_variable_is_read() {
        let settings = read(&[
            ("MIDGE_EXTENSION_HOST", "::1"),
            ("MIDGE_EXTENSION_PORT", "65535"),
            ("MIDGE_EXTENSION_DESTINATION", "localhost"),
            ("MIDGE_EXTENSION_NAMESPACE", "shop/checkout"),
            ("MIDGE_EXTENSION_METRICS", "off"),
            ("MIDGE_EXTENSION_BUFFER_MS", "25"),
        ]);
        let settings = settings.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((settings.address.to_string().as_str(), settings.port), ("::1", 65_535));
        assert_eq!((settings.destination.as_str(), settings.namespace.as_str()), ("localhost", "shop/checkout"));
        assert_eq!((settings.metrics, settings.buffer_ms), (false, 25));
    }

    #[test]
    fn a_bad_value_is_one_line_that_says_what_was_wanted() {
        let long = "n".repeat(256);
        let cases = [
            ("MIDGE_EXTENSION_PORT", "0", "a port, a number from 1 to 65535"),
            ("MIDGE_EXTENSION_PORT", "65536", "a port, a number from 1 to 65535"),
            ("MIDGE_EXTENSION_PORT", "80 80", "a port, a number from 1 to 65535"),
            ("MIDGE_EXTENSION_HOST", "localhost", "an IP address"),
            ("MIDGE_EXTENSION_DESTINATION", "a:80/", "a host name without port"),
            ("MIDGE_EXTENSION_NAMESPACE", "AWS/Lambda", super::NAMESPACE_WANTED),
            ("MIDGE_EXTENSION_NAMESPACE", "a\nb", super::NAMESPACE_WANTED),
            ("MIDGE_EXTENSION_NAMESPACE", "   ", super::NAMESPACE_WANTED),
            ("MIDGE_EXTENSION_NAMESPACE", &long, super::NAMESPACE_WANTED),
            ("MIDGE_EXTENSION_METRICS", "on", "emf or off"),
            ("MIDGE_EXTENSION_BUFFER_MS", "24", "milliseconds, a number from 25 to 30000"),
            ("MIDGE_EXTENSION_BUFFER_MS", "30001", "milliseconds, a number from 25 to 30000"),
        ];
        for (name, value, wanted) in cases {
            let error = read(&[(name, value)]).err().unwrap_or_default();
            assert_eq!(error, format!("{name} is {value:?}: wanted {wanted}"));
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
