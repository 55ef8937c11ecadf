//! The bytes of this build's own schemas, written and read field by field without looking at a
//! schema (Avro 1.12, "Binary Encoding"). Decides nothing about a value that it cannot read: the
//! reader that follows the writer's schema does, and says what is wrong.

use compact_str::CompactString;
use integer_encoding::VarInt;
use uuid::Uuid;

use crate::event::{
    Contact, OrderCancelRequested, OrderCancelled, OrderConfirmed, OrderLine, OrderPlaced,
    OrderRejected, ProductUpserted, Shortage, StockLine, StockReceived,
};
use crate::ids::{EventId, OrderId};
use crate::limits;
use crate::text::{EmailAddress, PersonName, Text};
use crate::values::{
    self, Currency, CustomerId, Locale, MoneyMinor, Quantity, Sku, StockDelta, Timestamp,
};

/// Bytes of a UUID as text.
const UUID_BYTES: usize = 36;

/// Bytes of the longest number.
const NUMBER_BYTES_MAX: usize = 10;

/// A value as Avro writes it.
///
/// Every `read` is inlined into the record's: a text that is handed up through calls is moved at
/// each, which costs a quarter of the time.
pub(crate) trait Datum: Sized {
    /// Appends it.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes it off the front of `input`. `None` is no verdict, only "not in the form that `write`
    /// gives it".
    fn read(input: &mut &[u8]) -> Option<Self>;
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    (bytes.len() as i64).write(out);
    out.extend_from_slice(bytes);
}

fn read_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(i64::read(input)?).ok()?;
    input.split_off(..length)
}

fn read_str<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(read_bytes(input)?).ok()
}

impl Datum for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        let mut bytes = [0; NUMBER_BYTES_MAX];
        let length = self.encode_var(&mut bytes);
        out.extend_from_slice(bytes.get(..length).unwrap_or_default());
    }

    #[inline(always)]
    fn read(input: &mut &[u8]) -> Option<Self> {
        let (number, length) = Self::decode_var(input)?;
        *input = input.get(length..)?;
        Some(number)
    }
}

impl Datum for i32 {
    fn write(&self, out: &mut Vec<u8>) {
        i64::from(*self).write(out);
    }

    #[inline(always)]
    fn read(input: &mut &[u8]) -> Option<Self> {
        i64::read(input)?.try_into().ok()
    }
}

impl Datum for Uuid {
    fn write(&self, out: &mut Vec<u8>) {
        let mut text = [0; UUID_BYTES];
        write_bytes(self.as_hyphenated().encode_lower(&mut text).as_bytes(), out);
    }

    #[inline(always)]
    fn read(input: &mut &[u8]) -> Option<Self> {
        let text = read_bytes(input)?;
        if text.len() == UUID_BYTES { Self::try_parse_ascii(text).ok() } else { None }
    }
}

impl<const MAX: usize> Datum for Text<MAX> {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self.as_str().as_bytes(), out);
    }

    #[inline(always)]
    fn read(input: &mut &[u8]) -> Option<Self> {
        CompactString::new(read_str(input)?).try_into().ok()
    }
}

/// The union of null and something.
impl<T: Datum> Datum for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            None => 0_i64.write(out),
            Some(value) => {
                1_i64.write(out);
                value.write(out);
            }
        }
    }

    #[inline(always)]
    fn read(input: &mut &[u8]) -> Option<Self> {
        match i64::read(input)? {
            0 => Some(None),
            1 => T::read(input).map(Some),
            _ => None,
        }
    }
}

/// One block, which is how it is written, of as many entries as an order may have lines.
impl<T: Datum> Datum for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            (self.len() as i64).write(out);
            self.iter().for_each(|entry| entry.write(out));
        }
        0_i64.write(out);
    }

    #[inline(always)]
    fn read(input: &mut &[u8]) -> Option<Self> {
        let count = usize::try_from(i64::read(input)?).ok()?;
        if count == 0 {
            return Some(Self::new());
        }
        if count > limits::ORDER_LINES_MAX {
            return None;
        }
        let mut entries = Self::with_capacity(count);
        for _ in 0..count {
            entries.push(T::read(input)?);
        }
        (i64::read(input)? == 0).then_some(entries)
    }
}

macro_rules! same_as {
    ($($name:ty = $plain:ty, $into:expr, $from:expr;)+) => {
        $(impl Datum for $name {
            fn write(&self, out: &mut Vec<u8>) {
                let into: fn(Self) -> $plain = $into;
                into(*self).write(out);
            }

            #[inline(always)]
            fn read(input: &mut &[u8]) -> Option<Self> {
                let from: fn($plain) -> Option<Self> = $from;
                from(<$plain>::read(input)?)
            }
        })+
    };
}

same_as! {
    EventId = Uuid, Self::uuid, |uuid| Some(uuid.into());
    OrderId = Uuid, Self::uuid, |uuid| Some(uuid.into());
    Timestamp = i64, Self::micros, |micros| micros.try_into().ok();
    MoneyMinor = i64, Self::get, |minor| minor.try_into().ok();
    Quantity = i32, Self::get, |units| i64::from(units).try_into().ok();
    StockDelta = i32, Self::get, |units| i64::from(units).try_into().ok();
}

macro_rules! text {
    ($($name:ty: $from:expr;)+) => {
        $(impl Datum for $name {
            fn write(&self, out: &mut Vec<u8>) {
                write_bytes(self.as_str().as_bytes(), out);
            }

            #[inline(always)]
            fn read(input: &mut &[u8]) -> Option<Self> {
                let from: fn(&str) -> Option<Self> = $from;
                from(read_str(input)?)
            }
        })+
    };
}

text! {
    CustomerId: |text| text.parse().ok();
    Sku: |text| text.parse().ok();
    Currency: |text| text.parse().ok();
    Locale: |tag| Some(tag.parse().unwrap_or_default());
    PersonName: |text| CompactString::new(text).try_into().ok();
    EmailAddress: |text| CompactString::new(text).try_into().ok();
}

/// The fields of a record in the order of its `.avsc`, and what must hold beyond their types.
macro_rules! record {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        record!($name { $($field),+ } if |_| true);
    };
    ($name:ident { $($field:ident),+ $(,)? } if $sound:expr) => {
        impl Datum for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)+
            }

            #[inline(always)]
            fn read(input: &mut &[u8]) -> Option<Self> {
                let sound: fn(&Self) -> bool = $sound;
                Some(Self { $($field: Datum::read(input)?),+ }).filter(sound)
            }
        }
    };
}

record!(OrderPlaced {
    event_id, order_id, customer_id, placed_at, currency, total_minor, lines, locale, contact,
    fingerprint,
} if |order| values::is_order(&order.lines));
record!(OrderLine { sku, quantity, unit_price_minor });
record!(Contact { name, email });
record!(OrderCancelRequested { event_id, order_id, customer_id, requested_at, reason });
record!(OrderConfirmed { event_id, order_id, customer_id, confirmed_at, reserved });
record!(OrderRejected { event_id, order_id, customer_id, rejected_at, shortages });
record!(OrderCancelled { event_id, order_id, customer_id, cancelled_at, released });
record!(StockLine { sku, quantity } if |line| line.quantity >= 1);
record!(Shortage { sku, requested, available } if |short| {
    short.requested >= 1 && short.available >= 0
});
record!(ProductUpserted { event_id, sku, name, department, price_minor, currency, updated_at });
record!(StockReceived { event_id, sku, delta, received_at });
