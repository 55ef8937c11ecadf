//! Where products, stock and orders come from: the real year's files. See `generated` for the others.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;

use super::generated::Generated;
use super::request::{Basket, Line, Product};

/// Rows that are read when they are asked for.
pub(crate) type Rows<T> = Box<dyn Iterator<Item = anyhow::Result<T>> + Send>;

/// Which orders, counted from the first of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Slice {
    /// How many.
    pub(crate) fn len(self) -> usize {
        self.to - self.from
    }
}

/// A source of everything that can be loaded.
pub(crate) enum Source {
    /// The folder that `scripts/real-data` writes.
    Real(PathBuf),
    /// Drawn from a seed.
    Generated(Generated),
}

impl Source {
    /// How many orders there are; a generated source has no end.
    pub(crate) fn orders_in_all(&self) -> anyhow::Result<Option<usize>> {
        match self {
            Self::Real(folder) => count_lines(&folder.join("orders.jsonl")).map(Some),
            Self::Generated(_) => Ok(None),
        }
    }

    /// The baskets of the slice, in order of time.
    pub(crate) fn baskets(&self, slice: Slice) -> anyhow::Result<Rows<Basket>> {
        match self {
            Self::Real(folder) => {
                let rows = rows::<Basket>(&folder.join("orders.jsonl"), slice)?;
                Ok(Box::new(rows))
            }
            Self::Generated(generated) => Ok(generated.baskets(slice)),
        }
    }

    /// What has to come to the shelf for the slice, in SKU order: some SKUs a little less than the
    /// orders ask for, so that some are rejected.
    pub(crate) fn stock(&self, slice: Slice) -> anyhow::Result<Vec<Line>> {
        match self {
            Self::Real(folder) => real_stock(folder, slice, self.orders_in_all()?),
            Self::Generated(generated) => Ok(generated.stock(slice)),
        }
    }

    /// The products that the slice asks for and those before it did not.
    pub(crate) fn products(&self, slice: Slice) -> anyhow::Result<Vec<Product>> {
        let folder = match self {
            Self::Real(folder) => folder,
            Self::Generated(generated) => return Ok(generated.products()),
        };
        let all = self.orders_in_all()?;
        let everything = Slice { from: 0, to: usize::MAX };
        let products = rows::<Product>(&folder.join("products.jsonl"), everything)?;
        if slice.from == 0 && all == Some(slice.to) {
            return products.collect();
        }
        let before = shelf(folder, slice.from, all)?;
        let until = shelf(folder, slice.to, all)?;
        let new = |sku: &str| until.contains_key(sku) && !before.contains_key(sku);
        products.filter(|row| row.as_ref().map_or(true, |product| new(&product.sku))).collect()
    }

    /// Tells the stock of one slice of one source from any other.
    pub(crate) fn stock_key(&self, slice: Slice) -> String {
        match self {
            Self::Real(_) => format!("opening-{}-{}", slice.from, slice.to),
            Self::Generated(generated) => {
                format!("{}-opening-{}-{}", generated.label(), slice.from, slice.to)
            }
        }
    }
}

/// The file of a longer slice less that of the part that was loaded before.
fn real_stock(folder: &Path, slice: Slice, all: Option<usize>) -> anyhow::Result<Vec<Line>> {
    let before = shelf(folder, slice.from, all)?;
    let until = shelf(folder, slice.to, all)?;
    let more = until.into_iter().map(|(sku, units)| {
        let quantity = units - before.get(&sku).copied().unwrap_or_default();
        Line { sku, quantity }
    });
    let mut stock: Vec<Line> = more.filter(|line| line.quantity != 0).collect();
    stock.sort_by(|a, b| a.sku.cmp(&b.sku));
    Ok(stock)
}

/// The opening stock for the first `orders`.
fn shelf(folder: &Path, orders: usize, all: Option<usize>) -> anyhow::Result<HashMap<String, i32>> {
    if orders == 0 {
        return Ok(HashMap::new());
    }
    let name = if all == Some(orders) { "all".to_owned() } else { orders.to_string() };
    let path = folder.join(format!("stock-{name}.jsonl"));
    if !path.exists() {
        bail!("{} is missing: run 'scripts/real-data --slice {name}'", path.display());
    }
    let lines = rows::<Line>(&path, Slice { from: 0, to: usize::MAX })?;
    lines.map(|line| line.map(|line| (line.sku, line.quantity))).collect()
}

fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let file = File::open(path);
    let explained = file.with_context(|| {
        format!(
            "could not open {}: run 'scripts/real-data' first, or name its folder by --data",
            path.display()
        )
    });
    Ok(BufReader::with_capacity(1 << 16, explained?))
}

fn count_lines(path: &Path) -> anyhow::Result<usize> {
    let mut reader = open(path)?;
    let mut count = 0;
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(count);
        }
        count += bytes.iter().filter(|byte| **byte == b'\n').count();
        let read = bytes.len();
        reader.consume(read);
    }
}

/// The rows of a JSON-lines file; what cannot be read names its line.
fn rows<T: DeserializeOwned>(
    path: &Path,
    slice: Slice,
) -> anyhow::Result<impl Iterator<Item = anyhow::Result<T>> + use<T>> {
    let name = path.display().to_string();
    let lines = open(path)?.lines().enumerate().skip(slice.from).take(slice.to - slice.from);
    Ok(lines.map(move |(number, line)| {
        let parsed =
            line.map_err(anyhow::Error::from).and_then(|line| Ok(serde_json::from_str(&line)?));
        parsed.with_context(|| format!("line {} of {name} cannot be read", number + 1))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "orders.jsonl",
            "{\"basket\":\"1\",\"customer_id\":\"7\",\"placed_at\":\"x\",\"lines\":[{\"sku\":\"a\",\"quantity\":2}]}\n\
             {\"basket\":\"2\",\"customer_id\":\"8\",\"placed_at\":\"x\",\"lines\":[]}\n\
             {\"basket\":\"3\",\"customer_id\":\"9\",\"placed_at\":\"x\",\"lines\":[{\"sku\":\"b\",\"quantity\":1}]}\n",
        );
        write("stock-2.jsonl", "{\"sku\":\"a\",\"quantity\":2}\n");
        write(
            "stock-all.jsonl",
            "{\"sku\":\"b\",\"quantity\":1}\n{\"sku\":\"a\",\"quantity\":5}\n",
        );
        let product = |sku: &str| {
            format!(
                "{{\"sku\":\"{sku}\",\"name\":\"n\",\"department\":\"d\",\"price_minor\":1,\"currency\":\"USD\"}}\n"
            )
        };
        write("products.jsonl", &(product("a") + &product("b") + &product("c")));
        folder
    }

    #[test]
    fn a_slice_is_the_baskets_after_those_skipped() {
        let folder = folder();
        let source = Source::Real(folder.path().to_owned());
        let baskets = source.baskets(Slice { from: 1, to: 3 }).unwrap();
        let names: Vec<String> = baskets.map(|basket| basket.unwrap().basket).collect();
        assert_eq!(names, ["2", "3"]);
        assert_eq!(source.orders_in_all().unwrap(), Some(3));
    }

    #[test]
    fn the_stock_of_a_later_slice_is_what_the_earlier_one_has_not_brought() {
        let folder = folder();
        let source = Source::Real(folder.path().to_owned());
        let line = |sku: &str, quantity| Line { sku: sku.into(), quantity };
        assert_eq!(source.stock(Slice { from: 0, to: 2 }).unwrap(), [line("a", 2)]);
        assert_eq!(source.stock(Slice { from: 2, to: 3 }).unwrap(), [line("a", 3), line("b", 1)]);
    }

    #[test]
    fn the_catalogue_of_a_slice_is_what_it_asks_for_first() {
        let folder = folder();
        let source = Source::Real(folder.path().to_owned());
        let skus = |from, to| -> Vec<String> {
            let products = source.products(Slice { from, to }).unwrap();
            products.into_iter().map(|product| product.sku).collect()
        };
        assert_eq!(skus(0, 2), ["a"]);
        assert_eq!(skus(2, 3), ["b"]);
        assert_eq!(skus(0, 3), ["a", "b", "c"]);
    }

    #[test]
    fn a_missing_stock_file_says_how_to_make_it() {
        let folder = folder();
        let error =
            Source::Real(folder.path().to_owned()).stock(Slice { from: 0, to: 1 }).unwrap_err();
        assert!(error.to_string().ends_with("run 'scripts/real-data --slice 1'"), "{error}");
    }
}
