//! The operator's word on mails in a real Postgres, with rows put by hand. No courier takes anything
//! up: what couriers do with such rows is in `consumers/confirmation-email/tests`.

use clap::Parser;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use uuid::Uuid;

use super::Command;
use crate::exit::{Outcome, Usage};
use crate::testing::RUNTIME;

const TABLES: &str = concat!(
    include_str!("../../../consumers/confirmation-email/migrations/0001_confirmation_email.sql"),
    include_str!("../../../consumers/confirmation-email/migrations/0002_causes.sql"),
);

/// Mail `n` is of customer `c<n>`; 1 and 2 bounced, 3 and 4 unknown, 5 withheld, 6 sent, 7 queued, 8
/// under way. Those with an even number ended a day ago.
const ROWS: &str = "
    INSERT INTO mails (event_id, customer_id, order_id, kind, state, cause, attempts, claim, occurred_at,
        queued_at, finished_at)
    SELECT lpad(n::text, 32, '0')::uuid, 'c' || n, lpad((100 + n)::text, 32, '0')::uuid, 'confirmed',
        state, cause, 3, gen_random_uuid(), now(), now() - days, CASE WHEN n < 7 THEN now() - days END
    FROM (VALUES (1, 'bounced', '5.7.1'), (2, 'bounced', '5.1.1'), (3, 'unknown', 'no-answer'),
                 (4, 'unknown', 'courier-gone'), (5, 'withheld', 'too-old'), (6, 'sent', NULL),
                 (7, 'queued', '4.7.1'), (8, 'sending', NULL)) AS rows (n, state, cause),
         LATERAL (SELECT CASE n % 2 WHEN 0 THEN interval '1 day' ELSE interval '0' END AS days) AS d";

async fn desk(pool: &PgPool) -> PgConnection {
    let mut admin = pool.acquire().await.unwrap().detach();
    let schema = r#"CREATE SCHEMA "confirmation-email"; SET search_path = "confirmation-email""#;
    for statements in [schema, RUNTIME, TABLES, ROWS] {
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut admin).await.unwrap();
    }
    admin
}

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

fn parse(line: &str) -> Result<Line, clap::Error> {
    Line::try_parse_from(["mails"].into_iter().chain(line.split(' ')))
}

/// As it would be typed behind `orderctl mails`.
async fn run(admin: &mut PgConnection, line: &str) -> anyhow::Result<Outcome> {
    parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).command.run_as(admin).await
}

/// The customers whose mails are in this state.
async fn whose(admin: &mut PgConnection, state: &str) -> String {
    let customers = "SELECT COALESCE(string_agg(customer_id, ' ' ORDER BY customer_id), '')
                     FROM mails WHERE state = $1";
    sqlx::query_scalar(customers).bind(state).fetch_one(admin).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn what_fits_is_queued_again_and_nothing_else(pool: PgPool) {
    let id = Uuid::from_u128(3);
    let table = [
        ("--since 2h".to_owned(), "c1 c3 c7"),
        ("--until 2h".to_owned(), "c2 c4 c7"),
        ("--cause 5.7.1".to_owned(), "c1 c7"),
        ("--customer c2".to_owned(), "c2 c7"),
        (format!("--id {id}"), "c3 c7"),
        ("--order 00000000-0000-0000-0000-000000000104".to_owned(), "c4 c7"),
        ("--state unknown".to_owned(), "c3 c4 c7"),
        ("--state withheld --cause too-old".to_owned(), "c5 c7"),
        ("--since 3d --limit 2".to_owned(), "c1 c2 c7"),
    ];
    let mut admin = desk(&pool).await;
    for (which, queued) in table {
        let outcome = run(&mut admin, &format!("resend {which} --reason test")).await.unwrap();
        assert_eq!((outcome, whose(&mut admin, "queued").await.as_str()), (Outcome::Fine, queued));
        let anew = AssertSqlSafe(format!("TRUNCATE mails; {ROWS}"));
        sqlx::raw_sql(anew).execute(&mut admin).await.unwrap();
    }
}

#[sqlx::test(migrations = false)]
async fn what_is_sent_again_begins_anew_at_its_rate_and_is_told(pool: PgPool) {
    let mut admin = desk(&pool).await;
    let line = "resend --since 3d --rate 2 --reason relay --actor ada";
    assert_eq!(run(&mut admin, line).await.unwrap(), Outcome::Fine);
    let fresh: Vec<(i32, bool, Option<String>, f64)> = sqlx::query_as(
        "SELECT attempts, claim IS NULL, cause,
                EXTRACT(EPOCH FROM next_attempt_at - min(next_attempt_at) OVER ())::float8
         FROM mails WHERE state = 'queued' AND customer_id <> 'c7' ORDER BY next_attempt_at",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert_eq!(fresh, [0.0, 0.0, 1.0, 1.0].map(|wait| (0, true, None, wait)));
    let told: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT actor, action, subject, detail ->> 'cause' FROM audit ORDER BY subject",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let causes: Vec<&str> = told.iter().map(|(.., cause)| cause.as_str()).collect();
    assert_eq!(causes, ["5.7.1", "5.1.1", "no-answer", "courier-gone"]);
    let order = "00000000-0000-0000-0000-000000000101";
    assert_eq!(told[0].0, "ada");
    assert_eq!((told[0].1.as_str(), told[0].2.as_str()), ("mail-resent", order));
    assert_eq!(run(&mut admin, line).await.unwrap(), Outcome::Differs, "nothing is left");
}

#[sqlx::test(migrations = false)]
async fn a_dry_run_changes_nothing(pool: PgPool) {
    let mut admin = desk(&pool).await;
    for line in ["resend --state unknown", "settle --since 3d --as sent"] {
        let line = format!("{line} --reason test --dry-run");
        assert_eq!(run(&mut admin, &line).await.unwrap(), Outcome::Fine);
    }
    assert_eq!(whose(&mut admin, "unknown").await, "c3 c4");
    let told: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit").fetch_one(&mut admin).await.unwrap();
    assert_eq!(told, 0);
}

#[sqlx::test(migrations = false)]
async fn only_what_is_unknown_is_settled(pool: PgPool) {
    let mut admin = desk(&pool).await;
    let sent = "settle --cause no-answer --as sent --reason log";
    assert_eq!(run(&mut admin, sent).await.unwrap(), Outcome::Fine);
    let given_up = "settle --until 2h --as given-up --reason late";
    assert_eq!(run(&mut admin, given_up).await.unwrap(), Outcome::Fine);
    assert_eq!(whose(&mut admin, "sent").await, "c3 c6");
    assert_eq!(whose(&mut admin, "bounced").await, "c1 c2 c4");
    let again = run(&mut admin, sent).await.unwrap();
    assert_eq!(again, Outcome::Differs, "nothing is unknown any more");
}

#[sqlx::test(migrations = false)]
async fn a_row_that_a_courier_is_writing_is_left_to_it(pool: PgPool) {
    let mut admin = desk(&pool).await;
    let mut courier = pool.begin().await.unwrap();
    let lock = r#"SELECT FROM "confirmation-email".mails WHERE customer_id = 'c3' FOR UPDATE"#;
    sqlx::query(lock).execute(&mut *courier).await.unwrap();
    run(&mut admin, "resend --state unknown --reason test").await.unwrap();
    assert_eq!(whose(&mut admin, "queued").await, "c4 c7");
}

#[sqlx::test(migrations = false)]
async fn what_is_known_of_a_mail_is_shown_and_of_none_it_is_said(pool: PgPool) {
    let mut admin = desk(&pool).await;
    for line in ["list", "list --state sent --customer c6 --since 2d", "list --limit 1"] {
        assert_eq!(run(&mut admin, line).await.unwrap(), Outcome::Fine, "{line}");
    }
    let show = format!("show {}", Uuid::from_u128(3));
    assert_eq!(run(&mut admin, &show).await.unwrap(), Outcome::Fine);
    let nobody = run(&mut admin, &format!("show {}", Uuid::from_u128(9))).await.unwrap_err();
    assert!(nobody.is::<Usage>(), "{nobody}");
}

#[test]
fn a_word_on_everything_or_without_a_reason_is_refused() {
    for line in [
        "resend --reason test",
        "resend --state unknown",
        "resend --state sent --reason test",
        "settle --as sent --reason test",
        "settle --since 2h --reason test",
        "resend --since yesterday --reason test",
        "resend --state unknown --rate 0 --reason test",
        "resend --state unknown --limit 100001 --reason test",
        "resend --state unknown --reason ada@example.com",
        "show 17",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn a_customer_whose_id_is_an_address_is_not_shown() {
    assert_eq!((super::shown("ada@example.com"), super::shown("c1")), ("<address>", "c1"));
}
