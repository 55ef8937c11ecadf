//! The summary for people. Reads nothing.

use std::fmt;

use indicatif::HumanCount;

use super::facts::{Department, Summary};
use super::visible::Run;

/// Departments with a line of their own.
const DEPARTMENTS_SHOWN: usize = 8;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orders = &self.orders;
        write!(f, "orders     {} placed", count(orders.placed))?;
        write!(f, ": {} confirmed", count(orders.confirmed))?;
        write!(f, ", {} rejected", count(orders.rejected))?;
        write!(f, ", {} cancelled", count(orders.cancelled))?;
        for shortage in &self.shortages {
            let orders = counted(shortage.orders, "order");
            let missing = counted(shortage.units_missing, "unit");
            write!(f, "\n  short    {orders} for want of {missing}: {}", shortage.product)?;
        }
        self.write_mails(f)?;
        write_departments(f, &self.departments)?;
        for parked in &self.parked {
            let records = count(parked.records);
            write!(f, "\nPARKED     {records} records of {}", parked.projection)?;
            if parked.quarantined > 0 {
                write!(f, ", {} of them quarantined", count(parked.quarantined))?;
            }
        }
        match &self.run {
            Some(run) => write_run(f, run),
            None => write!(f, "\nvisible    n/a (no ledger, or track_commit_timestamp is off)"),
        }
    }
}

impl Summary {
    fn write_mails(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states: Vec<String> = self
            .mails
            .iter()
            .map(|mails| format!("{} {}", count(mails.count), mails.state))
            .collect();
        let states = if states.is_empty() { "none".to_owned() } else { states.join(", ") };
        write!(f, "\nmails      {states}")?;
        let Some(server) = &self.mail_server else { return Ok(()) };
        let messages = HumanCount(server.messages);
        write!(f, "; the mail server accepted {messages}")?;
        match server.messages - server.distinct_message_ids.min(server.messages) {
            0 => write!(f, ", none twice"),
            twice => write!(f, ", {} of them REPEATED", HumanCount(twice)),
        }
    }
}

fn write_departments(f: &mut fmt::Formatter<'_>, departments: &[Department]) -> fmt::Result {
    let (shown, rest) = departments.split_at(DEPARTMENTS_SHOWN.min(departments.len()));
    for (index, sold) in shown.iter().enumerate() {
        let title = if index == 0 { "revenue" } else { "" };
        let (money, units) = (money(sold.revenue_minor), count(sold.units));
        let (currency, department) = (&sold.currency, &sold.department);
        write!(f, "\n{title:<10} {money:>14} {currency}  {units:>9} units  {department}")?;
    }
    if !rest.is_empty() {
        write!(f, "\n           … and {} more departments", rest.len())?;
    }
    Ok(())
}

fn write_run(f: &mut fmt::Formatter<'_>, run: &Run) -> fmt::Result {
    let (acknowledged, decided) =
        (HumanCount(run.acknowledged as u64), HumanCount(run.decided as u64));
    write!(f, "\nthis run   {acknowledged} acknowledged, {decided} decided")?;
    write!(f, " in {:.1} s: {:.0} a second", run.seconds, run.per_second)?;
    let visible = &run.visible;
    write!(f, "\nvisible    after p50 {:.0} ms, p99 {:.0} ms", visible.p50_ms, visible.p99_ms)?;
    write!(f, ", at most {:.0} ms ({} orders)", visible.max_ms, HumanCount(visible.orders))
}

fn count(number: i64) -> HumanCount {
    HumanCount(u64::try_from(number).unwrap_or_default())
}

fn counted(number: i64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Minor units with a point before the last two digits.
fn money(minor: i64) -> String {
    format!("{}.{:02}", count(minor / 100), minor.rem_euclid(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_two_digits_after_the_point_and_commas_before() {
        assert_eq!(money(123_456_705), "1,234,567.05");
        assert_eq!(money(7), "0.07");
    }
}
