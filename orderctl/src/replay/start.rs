//! Where in each partition a replay starts. Asks no broker.

use std::collections::HashMap;
use std::str::FromStr;

use crate::exit::{Gap, Usage};
use crate::log::Span;

/// `N` for every partition, or `P:N` for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FromOffset {
    partition: Option<i32>,
    offset: i64,
}

impl FromStr for FromOffset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (partition, offset) = match text.split_once(':') {
            Some((partition, offset)) => (partition.parse().ok().map(Some), offset),
            None => (Some(None), text),
        };
        let offset = offset.parse().ok().filter(|offset| *offset >= 0);
        let partition = partition.filter(|partition| partition.is_none_or(|p| p >= 0));
        match (partition, offset) {
            (Some(partition), Some(offset)) => Ok(Self { partition, offset }),
            _ => Err("must be an offset like 120, or partition and offset like 3:120".to_owned()),
        }
    }
}

/// Where to start.
#[derive(Debug)]
pub(super) enum Start {
    /// As the operator said; at the beginning where nothing is said.
    Named(Vec<FromOffset>),
    /// Where the broker found a time; at the end where it found none.
    Found(HashMap<i32, i64>),
}

/// The partitions that were asked for; all of them where none is named.
pub(super) fn chosen(topic: &str, extents: Vec<Span>, asked: &[i32]) -> anyhow::Result<Vec<Span>> {
    let known = |partition: i32| extents.iter().any(|extent| extent.partition == partition);
    if let Some(unknown) = asked.iter().find(|partition| !known(**partition)) {
        let count = extents.len();
        return Err(Usage(format!("{topic} has {count} partitions, none is {unknown}")).into());
    }
    let wanted = |extent: &Span| asked.is_empty() || asked.contains(&extent.partition);
    Ok(extents.into_iter().filter(wanted).collect())
}

/// Every partition that a start names is one of the chosen.
pub(super) fn fits(topic: &str, chosen: &[Span], from: &[FromOffset]) -> Result<(), Usage> {
    let is_chosen = |partition: i32| chosen.iter().any(|span| span.partition == partition);
    match from.iter().filter_map(|from| from.partition).find(|named| !is_chosen(*named)) {
        Some(named) => Err(Usage(format!(
            "--from-offset names partition {named}, which {topic} does not have or --partition \
             leaves out"
        ))),
        None => Ok(()),
    }
}

/// From the start to where each partition ends now.
pub(super) fn spans(topic: &str, extents: &[Span], start: &Start) -> Result<Vec<Span>, Gap> {
    extents.iter().map(|extent| span(topic, *extent, start)).collect()
}

fn span(topic: &str, extent: Span, start: &Start) -> Result<Span, Gap> {
    let Span { partition, start: first, end } = extent;
    match start {
        Start::Found(offsets) => {
            Ok(Span { start: offsets.get(&partition).map_or(end, |at| (*at).max(first)), ..extent })
        }
        Start::Named(named) => {
            let own = named.iter().rfind(|from| from.partition == Some(partition));
            let every = || named.iter().rfind(|from| from.partition.is_none());
            let Some(from) = own.or_else(every) else { return Ok(extent) };
            if from.offset < first {
                let asked = from.offset;
                return Err(Gap(format!(
                    "{topic}:{partition} no longer holds offset {asked}; its first is {first}"
                )));
            }
            if from.partition.is_some() && from.offset > end {
                let asked = from.offset;
                return Err(Gap(format!(
                    "{topic}:{partition} ends before offset {asked}; its next record will be {end}"
                )));
            }
            Ok(Span { start: from.offset.min(end), ..extent })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENTS: [Span; 2] =
        [Span { partition: 0, start: 0, end: 10 }, Span { partition: 1, start: 5, end: 20 }];

    fn starts(from: &[&str]) -> Result<Vec<i64>, String> {
        let named = from.iter().map(|text| text.parse().unwrap()).collect();
        let spans = spans("orders", &EXTENTS, &Start::Named(named)).map_err(|gap| gap.0)?;
        Ok(spans.iter().map(|span| span.start).collect())
    }

    #[test]
    fn without_a_start_each_partition_is_read_from_what_it_still_has() {
        assert_eq!(starts(&[]), Ok(vec![0, 5]));
    }

    #[test]
    fn an_offset_holds_for_every_partition_and_a_partitions_own_goes_first() {
        assert_eq!(starts(&["7"]), Ok(vec![7, 7]));
        assert_eq!(starts(&["0:3", "7"]), Ok(vec![3, 7]));
        assert_eq!(starts(&["0:3"]), Ok(vec![3, 5]));
        assert_eq!(starts(&["15"]), Ok(vec![10, 15]));
    }

    #[test]
    fn a_start_below_the_first_record_or_beyond_the_end_is_a_gap() {
        let below = starts(&["4"]).unwrap_err();
        assert_eq!(below, "orders:1 no longer holds offset 4; its first is 5");
        let beyond = starts(&["1:21"]).unwrap_err();
        assert_eq!(beyond, "orders:1 ends before offset 21; its next record will be 20");
    }

    #[test]
    fn a_time_after_the_last_record_reads_nothing_of_that_partition() {
        let found = Start::Found(HashMap::from([(0, 4)]));
        let spans = spans("orders", &EXTENTS, &found).unwrap();
        assert_eq!(spans.iter().map(|span| span.start).collect::<Vec<_>>(), [4, 20]);
    }

    #[test]
    fn a_partition_that_the_topic_does_not_have_is_a_usage_error() {
        assert!(chosen("orders", EXTENTS.to_vec(), &[2]).unwrap_err().is::<Usage>());
        assert_eq!(chosen("orders", EXTENTS.to_vec(), &[1]).unwrap(), [EXTENTS[1]]);
    }

    #[test]
    fn a_start_in_a_partition_that_is_not_read_is_a_usage_error() {
        let from: Vec<FromOffset> = vec!["1:7".parse().unwrap(), "3".parse().unwrap()];
        assert!(fits("orders", &EXTENTS, &from).is_ok());
        assert!(fits("orders", &EXTENTS[..1], &from).is_err());
        assert!(fits("orders", &EXTENTS, &["2:0".parse().unwrap()]).is_err());
    }

    #[test]
    fn an_offset_is_a_number_or_a_partition_and_a_number() {
        assert!("3:120".parse::<FromOffset>().is_ok());
        for wrong in ["", "-1", "3:", ":3", "a:1", "-1:4", "1:2:3"] {
            assert!(wrong.parse::<FromOffset>().is_err(), "{wrong}");
        }
    }
}
