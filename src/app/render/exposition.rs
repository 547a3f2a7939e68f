//! Metrics as text, in the exposition format of Prometheus, version 0.0.4.

use crate::app::render::limits::METRICS_LIMIT_SERIES;
use crate::base::histogram::Histogram;

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    /// The name of the metric whose samples are written.
    name: &'static str,
    series: usize,
}

impl Exposition {
    /// Begins a metric; its samples follow.
    pub fn metric(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Exposition {
        self.name = name;
        let (help, kind) = (escaped(help, false), kind.as_str());
        self.text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        self
    }

    /// A sample of the metric, with these labels.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.line("", labels, value);
    }

    /// The samples of a histogram, whose values are divided by `unit` to become seconds.
    pub fn histogram<const N: usize>(&mut self, histogram: &Histogram<N>, unit: f64) {
        for (bound, count) in histogram.buckets() {
            let le = (bound as f64 / unit).to_string();
            self.line("_bucket", &[("le", &le)], count as f64);
        }
        self.line("_bucket", &[("le", "+Inf")], histogram.count as f64);
        self.line("_sum", &[], histogram.sum as f64 / unit);
        self.line("_count", &[], histogram.count as f64);
    }

    /// A metric with one sample.
    pub fn counter(&mut self, name: &'static str, value: u64, help: &str) {
        self.metric(name, Kind::Counter, help)
            .sample(&[], value as f64);
    }

    /// A metric with one sample.
    pub fn gauge(&mut self, name: &'static str, value: f64, help: &str) {
        self.metric(name, Kind::Gauge, help).sample(&[], value);
    }

    /// All of it. A label that takes more values than it should is a fault of the program.
    pub fn finish(self) -> String {
        debug_assert!(self.series <= METRICS_LIMIT_SERIES, "{}", self.series);
        self.text
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.series += 1;
        self.text += self.name;
        self.text += suffix;
        let labels = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value, true)));
        let labels: Vec<String> = labels.collect();
        if !labels.is_empty() {
            self.text += &format!("{{{}}}", labels.join(","));
        }
        self.text += &format!(" {value}\n");
    }
}

/// A text of one line as the format has it: in labels quotes are escaped as well.
fn escaped(text: &str, is_label: bool) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' => escaped += "\\\\",
            '\n' => escaped += "\\n",
            '"' if is_label => escaped += "\\\"",
            c => escaped.push(c),
        }
    }
    escaped
}
