//! The projection's SQL: one statement per table and batch. Decides nothing, commits nothing.
//!
//! A look-up is a subquery for each key, which can only go by the index, whatever the plan.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;

use events_schema::{CustomerId, EventId, EventType, OrderId};
use runtime::{Batch, StoreError};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::decide::{Addressee, Change, Known, MailKey, MailRecord, OrderKey, OrderRecord};
use crate::settings;

/// Reads what is known of the batch's orders and outcomes.
pub(crate) async fn load(conn: &mut PgConnection, batch: &Batch<'_>) -> Result<Known, StoreError> {
    let (orders, mails) = keys(batch);
    let orders = known_orders(conn, &orders).await?;
    // Whoever runs the couriers has refused to start with one that cannot be read.
    let max_age = settings::max_age().ok();
    Ok(Known { orders, mails: known_mails(conn, &mails).await?, max_age })
}

/// The batch's orders, and the outcomes that would become a mail.
fn keys(batch: &Batch<'_>) -> (HashSet<OrderKey>, HashSet<MailKey>) {
    let mut orders = HashSet::new();
    let mut mails = HashSet::new();
    for record in &batch.records {
        let event = &record.event;
        let Some((order_id, customer_id)) = event.order_id().zip(event.customer_id()) else {
            continue;
        };
        match event.event_type() {
            EventType::OrderCancelRequested => continue,
            EventType::OrderPlaced => {}
            _outcome => {
                mails.insert((event.event_id(), customer_id.clone()));
            }
        }
        orders.insert((order_id, customer_id.clone()));
    }
    (orders, mails)
}

/// A value that we wrote and can no longer read is a defect of ours.
fn customer(text: &str) -> Result<CustomerId, sqlx::Error> {
    CustomerId::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

async fn known_orders(
    conn: &mut PgConnection,
    keys: &HashSet<OrderKey>,
) -> Result<HashMap<OrderKey, Addressee>, StoreError> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let (ids, customers): (Vec<Uuid>, Vec<&str>) =
        keys.iter().map(|(id, customer)| (id.uuid(), customer.as_str())).unzip();
    let rows: Vec<(Uuid, String, bool)> = sqlx::query_as(
        "SELECT found.* FROM UNNEST($1::uuid[], $2::text[]) AS key (order_id, customer_id)
         CROSS JOIN LATERAL (
             SELECT order_id, customer_id, email IS NOT NULL FROM orders
             WHERE orders.order_id = key.order_id AND orders.customer_id = key.customer_id
             OFFSET 0) AS found",
    )
    .bind(ids)
    .bind(customers)
    .fetch_all(conn)
    .await?;
    let addressee = |known| if known { Addressee::Known } else { Addressee::Erased };
    let order = |(id, text, known): (Uuid, String, bool)| {
        Ok(((OrderId::from(id), customer(&text)?), addressee(known)))
    };
    rows.into_iter().map(order).collect()
}

async fn known_mails(
    conn: &mut PgConnection,
    keys: &HashSet<MailKey>,
) -> Result<HashSet<MailKey>, StoreError> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let (ids, customers): (Vec<Uuid>, Vec<&str>) =
        keys.iter().map(|(id, customer)| (id.uuid(), customer.as_str())).unzip();
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT found.* FROM UNNEST($1::uuid[], $2::text[]) AS key (event_id, customer_id)
         CROSS JOIN LATERAL (
             SELECT event_id, customer_id FROM mails
             WHERE mails.event_id = key.event_id AND mails.customer_id = key.customer_id
             OFFSET 0) AS found",
    )
    .bind(ids)
    .bind(customers)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|(id, text)| Ok((EventId::from(id), customer(&text)?))).collect()
}

/// Writes the changes.
pub(crate) async fn save(conn: &mut PgConnection, changes: &[Change]) -> Result<(), StoreError> {
    let (mut orders, mut mails, mut products) = (Vec::new(), Vec::new(), BTreeMap::new());
    for change in changes {
        match change {
            Change::RecordOrder(order) => orders.push(order),
            Change::QueueMail(mail) => mails.push(mail),
            // The last name of the batch wins; rows are written in the order of their keys, so
            // that two workers cannot wait for each other.
            Change::NameProduct { sku, name } => drop(products.insert(sku.as_str(), name.as_str())),
        }
    }
    save_orders(conn, &orders).await?;
    save_mails(conn, &mails).await?;
    save_products(conn, &products).await
}

async fn save_orders(conn: &mut PgConnection, orders: &[&OrderRecord]) -> Result<(), StoreError> {
    if orders.is_empty() {
        return Ok(());
    }
    let contacts = || orders.iter().map(|order| order.contact.as_ref());
    sqlx::query(
        "INSERT INTO orders (order_id, customer_id, locale, name, email, currency, total_minor,
                             lines, placed_at)
         SELECT UNNEST($1::uuid[]), UNNEST($2::text[]), UNNEST($3::text[]), UNNEST($4::text[]),
                UNNEST($5::text[]), UNNEST($6::text[]), UNNEST($7::bigint[]), UNNEST($8::jsonb[]),
                UNNEST($9::timestamptz[])
         ON CONFLICT (order_id, customer_id) DO NOTHING",
    )
    .bind(orders.iter().map(|order| order.order_id.uuid()).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.customer_id.as_str()).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.locale.as_str()).collect::<Vec<_>>())
    .bind(contacts().map(|contact| contact.map(|c| c.name.as_str())).collect::<Vec<_>>())
    .bind(contacts().map(|contact| contact.map(|c| c.email.as_str())).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.currency.as_str()).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.total.get()).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| Json(&order.lines)).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.placed_at.to_utc()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

async fn save_mails(conn: &mut PgConnection, mails: &[&MailRecord]) -> Result<(), StoreError> {
    if mails.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO mails (event_id, customer_id, order_id, kind, state, details, occurred_at,
                            cause, finished_at)
         SELECT event_id, customer_id, order_id, kind, state, details, occurred_at, cause,
                CASE state WHEN 'withheld' THEN now() END
         FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::jsonb[],
                     $7::timestamptz[], $8::text[])
              AS mail (event_id, customer_id, order_id, kind, state, details, occurred_at, cause)
         ON CONFLICT (event_id, customer_id) DO NOTHING",
    )
    .bind(mails.iter().map(|mail| mail.event_id.uuid()).collect::<Vec<_>>())
    .bind(mails.iter().map(|mail| mail.customer_id.as_str()).collect::<Vec<_>>())
    .bind(mails.iter().map(|mail| mail.order_id.uuid()).collect::<Vec<_>>())
    .bind(mails.iter().map(|mail| mail.kind.as_str()).collect::<Vec<_>>())
    .bind(mails.iter().map(|mail| mail.state.as_str()).collect::<Vec<_>>())
    .bind(mails.iter().map(|mail| Json(&mail.shortages)).collect::<Vec<_>>())
    .bind(mails.iter().map(|mail| mail.occurred_at.to_utc()).collect::<Vec<_>>())
    .bind(mails.iter().map(|mail| mail.state.cause()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

async fn save_products(
    conn: &mut PgConnection,
    names: &BTreeMap<&str, &str>,
) -> Result<(), StoreError> {
    if names.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO products (sku, name) SELECT * FROM UNNEST($1::text[], $2::text[])
         ON CONFLICT (sku) DO UPDATE SET name = excluded.name
         WHERE products.name IS DISTINCT FROM excluded.name",
    )
    .bind(names.keys().copied().collect::<Vec<_>>())
    .bind(names.values().copied().collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
