//! Writing metrics down. The only place that knows the library.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeLabelValue, LabelValueEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

/// A page of metrics, being written.
pub(super) struct Page<'e>(pub(super) DescriptorEncoder<'e>);

/// The labels of a sample.
pub(super) type Labels<'l, const N: usize> = [(&'static str, Label<'l>); N];

/// The value of a label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label<'l>(pub(super) &'l str);

impl EncodeLabelValue for Label<'_> {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        use fmt::Write as _;
        // The library writes texts as they are.
        for letter in self.0.chars() {
            match letter {
                '\\' => encoder.write_str("\\\\")?,
                '"' => encoder.write_str("\\\"")?,
                '\n' => encoder.write_str("\\n")?,
                letter => encoder.write_char(letter)?,
            }
        }
        Ok(())
    }
}

impl Page<'_> {
    /// What does not change.
    pub(super) fn info<const N: usize>(&mut self, name: &str, help: &str, labels: Labels<'_, N>) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }

    /// What goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// The same, once for each set of labels.
    pub(super) fn gauges<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        samples.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    /// What only goes up. `_total` is added to its name.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut counter = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        counter.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// The same, once for each set of labels.
    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        samples.into_iter().try_for_each(|(labels, value)| {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// Times. `_seconds` is added to their name. `buckets` are upper bounds, each with what is above the one before it; what
    /// is above all stands in `above`.
    pub(super) fn seconds(
        &mut self,
        name: &str,
        help: &str,
        buckets: impl IntoIterator<Item = (f64, u64)>,
        above: u64,
        sum_s: f64,
    ) -> fmt::Result {
        // The library's word for infinity.
        let buckets: Vec<_> = buckets.into_iter().chain([(f64::MAX, above)]).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let mut times = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        times.encode_histogram::<NoLabelSet>(sum_s, count, &buckets, None)
    }
}
