//! A strict reader of metrics in the exposition format of Prometheus, version 0.0.4.

use std::collections::{BTreeMap, BTreeSet};

pub type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub struct Metric {
    pub kind: String,
    pub help: String,
    /// Each with the name as it stands there.
    pub samples: Vec<(String, Labels, f64)>,
}

#[derive(Debug, Default)]
pub struct Metrics(pub BTreeMap<String, Metric>);

impl Metrics {
    /// The number of series.
    pub fn series(&self) -> usize {
        self.0.values().map(|metric| metric.samples.len()).sum()
    }

    /// The samples of a name whose labels have these values.
    pub fn samples(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let all = self.0.values().flat_map(|metric| &metric.samples);
        let has = |of: &Labels| {
            labels
                .iter()
                .all(|(name, value)| of.get(*name).is_some_and(|known| known == value))
        };
        all.filter(|(known, of, _)| known == name && has(of))
            .map(|(_, _, value)| *value)
            .collect()
    }

    /// The sum of these samples, of which there is one at least.
    #[track_caller]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.samples(name, labels);
        assert!(!samples.is_empty(), "{name} {labels:?}");
        samples.iter().sum()
    }
}

/// The metrics of a text. An error names the line.
pub fn parse(text: &str) -> Result<Metrics, String> {
    let mut metrics = Metrics::default();
    let mut open = String::new();
    let mut seen = BTreeSet::new();
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_string());
    }
    for line in text.lines() {
        let fault = |what: &str| Err(format!("{what}: {line:?}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            if !is_name(name, true) || help.is_empty() {
                return fault("no help");
            }
            if metrics.0.contains_key(name) {
                return fault("a metric comes twice, or is not in one piece");
            }
            let metric = Metric {
                help: unescape(help, false).ok_or(line)?,
                ..Metric::default()
            };
            open = name.to_string();
            metrics.0.insert(open.clone(), metric);
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = rest.split_once(' ') else {
                return fault("no type");
            };
            let known = ["counter", "gauge", "histogram"].contains(&kind);
            let metric = metrics.0.get_mut(name).filter(|_| name == open);
            let Some(metric) = metric.filter(|metric| metric.kind.is_empty() && known) else {
                return fault("a type without its help, or twice, or unknown");
            };
            metric.kind = kind.to_string();
            continue;
        }
        let Some((name, labels, value)) = sample(line) else {
            return fault("no sample");
        };
        let metric = metrics.0.get_mut(&open);
        let Some(metric) = metric.filter(|metric| is_of(&name, &open, &metric.kind)) else {
            return fault("a sample of another metric, or without a type");
        };
        if !seen.insert((name.clone(), labels.clone())) {
            return fault("a series comes twice");
        }
        metric.samples.push((name, labels, value));
    }
    for (name, metric) in &metrics.0 {
        check(name, metric)?;
    }
    Ok(metrics)
}

/// True where a sample of that name belongs to the metric.
fn is_of(sample: &str, metric: &str, kind: &str) -> bool {
    match kind {
        "histogram" => {
            let suffix = sample.strip_prefix(metric).unwrap_or("");
            ["_bucket", "_sum", "_count"].contains(&suffix)
        }
        "" => false,
        _ => sample == metric,
    }
}

fn check(name: &str, metric: &Metric) -> Result<(), String> {
    let fault = |what: &str| Err(format!("{name}: {what}"));
    if metric.kind.is_empty() {
        return fault("it has no type");
    }
    if (metric.kind == "counter") != name.ends_with("_total") {
        return fault("counters end in _total, and nothing else does");
    }
    let is_negative = |(_, _, value): &(String, Labels, f64)| *value < 0.0 || value.is_nan();
    if metric.kind != "gauge" && metric.samples.iter().any(is_negative) {
        return fault("a count below zero, or none");
    }
    if metric.kind == "histogram" {
        return check_histogram(name, metric);
    }
    Ok(())
}

/// The buckets are in order and hold what is in those before them; the last one holds all.
fn check_histogram(name: &str, metric: &Metric) -> Result<(), String> {
    let fault = |what: &str| Err(format!("{name}: {what}"));
    let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    let mut sums = BTreeSet::new();
    for (sample, labels, value) in &metric.samples {
        let mut labels = labels.clone();
        let le = labels.remove("le");
        match (sample.strip_prefix(name), le) {
            (Some("_bucket"), Some(le)) => {
                let Ok(le) = le.replace("+Inf", "inf").parse() else {
                    return fault("le is no number");
                };
                buckets.entry(labels).or_default().push((le, *value));
            }
            (Some("_count"), None) => drop(counts.insert(labels, *value)),
            (Some("_sum"), None) => drop(sums.insert(labels)),
            _ => return fault("le is missing, or at the wrong place"),
        }
    }
    if buckets.is_empty() || !buckets.keys().eq(counts.keys()) || !sums.iter().eq(counts.keys()) {
        return fault("buckets, _count and _sum are not of the same labels");
    }
    for (labels, buckets) in &buckets {
        let is_in_order = buckets
            .windows(2)
            .all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1);
        if !is_in_order || buckets.last() != Some(&(f64::INFINITY, counts[labels])) {
            return fault("its buckets do not add up to its count");
        }
    }
    Ok(())
}

/// Name, labels and value of a line.
fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, behind) = rest.split_once("=\"")?;
            let quote = closing_quote(behind)?;
            let value = unescape(&behind[..quote], true)?;
            if !is_name(label, false) || labels.insert(label.to_string(), value).is_some() {
                return None;
            }
            rest = &behind[quote + 1..];
            rest = match rest.strip_prefix(',') {
                Some(more) if !more.starts_with('}') => more,
                Some(_) => return None,
                None if rest.starts_with('}') => rest,
                None => return None,
            };
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ')?;
    let is_word = ["+Inf", "-Inf", "NaN"].contains(&value);
    let is_number = value
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.e".contains(&b));
    let value = value.parse().ok().filter(|_| is_word || is_number)?;
    is_name(name, true).then(|| (name.to_string(), labels, value))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end.then_some(at)
    })
}

fn unescape(text: &str, is_label: bool) -> Option<String> {
    let (mut plain, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                '"' if is_label => '"',
                _ => return None,
            },
            '"' if is_label => return None,
            c => c,
        });
    }
    Some(plain)
}

fn is_name(name: &str, may_have_colons: bool) -> bool {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_' || (may_have_colons && c == ':');
    name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit())
}
