//! The published rules of CloudWatch's embedded metric format, as far as they say what a line must be.

use serde_json::{Map, Value};

/// A line that keeps all of them: its metrics, with one value for each.
pub fn check(line: &str) -> Map<String, Value> {
    assert!(line.len() < 256 << 10, "longer than an event of CloudWatch's logs");
    let Value::Object(root) = serde_json::from_str(line).expect(line) else { panic!("no object: {line}") };
    let metadata = object(&root["_aws"]);
    only(metadata, &["Timestamp", "CloudWatchMetrics"]);
    assert!(metadata["Timestamp"].is_u64(), "{line}");
    let directives = array(&metadata["CloudWatchMetrics"]);
    assert!(!directives.is_empty(), "{line}");
    let mut metrics = Map::new();
    for directive in directives {
        let directive = object(directive);
        only(directive, &["Namespace", "Dimensions", "Metrics"]);
        let namespace = text(&directive["Namespace"]);
        assert!((1..=1_024).contains(&namespace.len()) && !namespace.starts_with("AWS/"), "{line}");
        let sets = array(&directive["Dimensions"]);
        assert!(!sets.is_empty(), "{line}");
        for set in sets {
            let set = array(set);
            assert!(set.len() <= 30, "{line}");
            for name in set {
                let name = text(name);
                assert!((1..=250).contains(&name.len()), "{line}");
                let value = text(root.get(name).expect("every dimension is a member"));
                assert!((1..=1_024).contains(&value.len()) && !value.trim().is_empty(), "{line}");
            }
        }
        let definitions = array(&directive["Metrics"]);
        assert!((1..=100).contains(&definitions.len()), "{line}");
        for definition in definitions {
            let definition = object(definition);
            only(definition, &["Name", "Unit", "StorageResolution"]);
            let name = text(&definition["Name"]);
            assert!((1..=1_024).contains(&name.len()), "{line}");
            assert!(UNITS.contains(&text(&definition["Unit"])), "{line}");
            let value = root.get(name).expect("every metric is a member");
            match value {
                Value::Number(_) => {}
                Value::Array(values) => {
                    assert!((1..=100).contains(&values.len()) && values.iter().all(Value::is_number), "{line}");
                }
                other => panic!("{name} is {other}: {line}"),
            }
            assert!(metrics.insert(name.to_owned(), value.clone()).is_none(), "{name} is defined twice: {line}");
        }
    }
    metrics
}

const UNITS: [&str; 4] = ["Milliseconds", "Megabytes", "Count", "None"];

fn only(object: &Map<String, Value>, known: &[&str]) {
    let unknown = object.keys().find(|name| !known.contains(&name.as_str()));
    assert_eq!(unknown, None, "{object:?}");
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}"))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no array: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no string: {value}"))
}

/// A checker that can't fail checks nothing.
#[test]
fn what_breaks_a_rule_is_found() {
    let good = r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"n","Dimensions":[["d"]],"Metrics":[{"Name":"m","Unit":"Count"}]}]},"d":"v","m":[1,2]}"#;
    assert_eq!(check(good).len(), 1);
    let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    let definitions: Vec<String> = many.iter().map(|name| format!(r#"{{"Name":"{name}","Unit":"Count"}}"#)).collect();
    for (from, to) in [
        ("\"Timestamp\":1", "\"Timestamp\":\"1\""),
        ("\"Timestamp\":1", "\"Timestamp\":1,\"X\":1"),
        ("[{\"Namespace\":\"n\"", "[{\"Namespace\":\"\""),
        ("[{\"Namespace\":\"n\"", "[{\"Namespace\":\"AWS/x\""),
        ("[[\"d\"]]", "[]"),
        ("[[\"d\"]]", "[[\"e\"]]"),
        ("\"d\":\"v\"", "\"d\":\"\""),
        ("\"d\":\"v\"", "\"d\":1"),
        ("\"Unit\":\"Count\"", "\"Unit\":\"Parsecs\""),
        ("\"m\":[1,2]", "\"m\":[]"),
        ("\"m\":[1,2]", "\"m\":\"1\""),
        ("\"m\":[1,2]", "\"x\":1"),
        ("\"m\":[1,2]", &format!("\"m\":[{}]", many.join(","))),
        ("{\"Name\":\"m\",\"Unit\":\"Count\"}", &definitions.join(",")),
        ("{\"Name\":\"m\",\"Unit\":\"Count\"}", ""),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(std::panic::catch_unwind(|| check(&bad)).is_err(), "{bad}");
    }
}
