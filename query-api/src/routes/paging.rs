//! What every list has in common: its limit, its cursor, and the link to the next page. Reads no
//! table.

use actix_web::http::header::LINK;
use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use http_chassis::problem::Problem;
use serde::de::DeserializeOwned;

use crate::problems;

/// Most items of a page.
const LIMIT_MAX: u16 = 200;
const LIMIT_DEFAULT: u16 = 50;

pub(super) fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    let query = Query::<T>::from_query(request.query_string());
    Ok(query.map_err(|error| problems::invalid_query(plain(&error)))?.into_inner())
}

fn plain(error: &actix_web::error::QueryPayloadError) -> String {
    match error {
        actix_web::error::QueryPayloadError::Deserialize(why) => why.to_string(),
        other => other.to_string(),
    }
}

pub(super) fn limit(asked: Option<u16>) -> Result<u16, Problem> {
    let limit = asked.unwrap_or(LIMIT_DEFAULT);
    let within = (1..=LIMIT_MAX).contains(&limit).then_some(limit);
    within.ok_or_else(|| problems::invalid_query(format!("limit must be 1 to {LIMIT_MAX}")))
}

pub(super) fn cursor<T>(
    text: Option<String>,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let unreadable = || problems::invalid_query("cursor must be from the next of a page".into());
    text.map(|text| read(&text).ok_or_else(unreadable)).transpose()
}

/// One more was asked for than is shown: it only tells that there is a next page. What that one is
/// behind, where there is one.
pub(super) fn cut<T>(items: &mut Vec<T>, limit: u16) -> Option<&T> {
    let more = items.len() > usize::from(limit);
    items.truncate(usize::from(limit));
    items.last().filter(|_| more)
}

/// An answer with the link to the next page.
pub(super) fn linked(next: Option<&str>) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        response.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
    }
    response
}
