//! Pages of lists.

use axum::http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::query::Query;
use super::wire::Fault;

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    number: u64,
    limit: u64,
}

/// Where a page is in its list.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = AgentshieldPagination)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// The page, from 1.
    #[schema(minimum = 1)]
    page: u64,
    /// Most items of a page.
    #[schema(minimum = 1)]
    limit: u64,
    /// Items of all pages.
    total: u64,
    /// Whether there are pages after this one.
    has_more: bool,
}

impl Page {
    /// Reads `page` and `limit`.
    pub fn read(query: &mut Query<'_>, usual: u64, most: u64) -> Self {
        let limit = query.whole("limit", 1, most).unwrap_or(usual);
        let number = query.whole("page", 1, u64::MAX).unwrap_or(1);
        let page = Self { number, limit };
        if page.skip() > MOST_SKIPPED {
            query.fault(
                Fault::new("page", "out_of_range")
                    .with("max", MOST_SKIPPED / limit + 1)
                    .with("advice", "Narrow the list, for example with startDate and endDate."),
            );
        }
        page
    }

    /// Items of the pages before.
    pub fn skip(self) -> u64 {
        (self.number - 1).saturating_mul(self.limit)
    }

    /// Most items of the page.
    pub fn limit(self) -> u64 {
        self.limit
    }

    /// Where the page is in a list of so many items.
    pub fn of(self, total: u64) -> Pagination {
        let has_more = self.number.saturating_mul(self.limit) < total;
        Pagination { page: self.number, limit: self.limit, total, has_more }
    }
}

impl Pagination {
    /// The header `Link` (RFC 8288) to the pages around this one; `query` are the request's parameters.
    pub fn links(&self, path: &str, query: &Query<'_>) -> HeaderMap {
        let link =
            |page: u64, relation: &str| format!("<{path}?{}>; rel=\"{relation}\"", query.with_page(page));
        let before = (self.page > 1).then(|| link(self.page - 1, "prev"));
        let after = self.has_more.then(|| link(self.page + 1, "next"));
        let links: Vec<String> = before.into_iter().chain(after).collect();
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&links.join(", "))
            && !links.is_empty()
        {
            headers.insert(header::LINK, value);
        }
        headers
    }
}

/// Items that a page may be away from the start of its list: passing over them costs time.
const MOST_SKIPPED: u64 = 100_000;
