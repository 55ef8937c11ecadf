//! The currencies of ISO 4217 that money can be in, with their decimals. Converts nothing.

/// By decimals. Left out are codes that are no money of a shop: metals, units of account of banks
/// (XDR, XSU, XUA, XBA…), tests (XTS) and no currency at all (XXX). BGN and ANG were withdrawn in
/// 2026 and 2025; prices in them are still around.
const BY_DECIMALS: [(u32, &str); 4] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP \
         BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD \
         FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD \
         KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD \
         NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP \
         SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED \
         VES WST XAD XCD XCG YER ZAR ZMW ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// How many decimals a currency's amounts have, or nothing where the code is not known.
pub fn decimals(code: &str) -> Option<u32> {
    let is_in = |codes: &str| codes.split(' ').any(|known| known == code);
    BY_DECIMALS.iter().find(|(_, codes)| is_in(codes)).map(|(decimals, _)| *decimals)
}

/// Every code that is known.
pub fn codes() -> impl Iterator<Item = &'static str> {
    BY_DECIMALS.iter().flat_map(|(_, codes)| codes.split(' '))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_currency_has_the_decimals_of_iso_4217() {
        for (code, expected) in
            [("USD", 2), ("JPY", 0), ("UYI", 0), ("KWD", 3), ("CLF", 4), ("UYW", 4), ("XCG", 2)]
        {
            assert_eq!(decimals(code), Some(expected), "{code}");
        }
        for unknown in ["XXX", "XTS", "XAU", "XDR", "HRK", "ABC", "usd", "US", "USD ", "", " "] {
            assert_eq!(decimals(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn every_code_stands_once_and_is_one() {
        let all: Vec<_> = codes().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        let is_code = |code: &&str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
        assert!(all.iter().all(is_code), "{all:?}");
    }
}
