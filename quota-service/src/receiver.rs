//! Where alerts are posted to, and which addresses that may have: a name is looked up when it is
//! connected to, and never leads to an address that is refused.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Method, Request, Uri, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use tokio::net::lookup_host;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tower::Service;

/// A receiver that has not answered by now is tried again.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What clouds tell a machine about itself, keys included, at an address of a private network.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// What a name or a literal leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no public address; METERD_ALERT_WEBHOOK_ALLOW_PRIVATE lets it be one of this machine \
     or of a private network"
)]
pub(crate) struct Refused(IpAddr);

/// Why an alert was not taken. The texts are what readers of the alert see; addresses are not
/// their business.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("the receiver's address is refused")]
    Refused(#[source] Refused),
    #[error("the receiver cannot be reached")]
    Unreachable(#[source] Error),
    #[error("the receiver did not answer in time")]
    Silent(#[from] Elapsed),
    #[error("the receiver answered {0}")]
    Status(u16),
}

impl From<Error> for SendError {
    fn from(error: Error) -> Self {
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            if let Some(refused) = error.downcast_ref::<Refused>() {
                return Self::Refused(*refused);
            }
            cause = error.source();
        }
        Self::Unreachable(error)
    }
}

/// How far an alert may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Public,
    /// This machine and private networks as well; what is local to a link stays refused.
    Private,
}

impl Reach {
    pub(crate) fn check(self, address: IpAddr) -> Result<(), Refused> {
        let address = address.to_canonical();
        let is_allowed = is_public(address) || (self == Self::Private && is_private(address));
        if is_allowed {
            Ok(())
        } else {
            Err(Refused(address))
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || (v6.is_unique_local() && v6 != METADATA),
    }
}

/// Not private, local, local to a link (metadata services), shared, reserved, multicast.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_benchmark = a == 198 && (18..20).contains(&b);
    let is_assigned = (a, b, c) == (192, 0, 0);
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || a == 0
        || a >= 224
        || is_shared
        || is_benchmark
        || is_assigned)
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let segments = v6.segments();
    // Addresses that carry one of version 4: of translators (64:ff9b::/96), of 6to4 (2002::/16).
    let carried = match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    };
    let is_global = segments[0] & 0xe000 == 0x2000;
    // Of the protocols, tunnels among them: 2001::/23.
    let is_assigned = segments[0] == 0x2001 && segments[1] < 0x200;
    let is_documentation =
        segments[..2] == [0x2001, 0xdb8] || (segments[0] == 0x3fff && segments[1] < 0x1000);
    carried.map_or(is_global && !is_assigned && !is_documentation, is_public_v4)
}

/// Looks names up, and refuses those that lead to any address that is refused.
#[derive(Clone)]
struct Resolver(Reach);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.0;
        Box::pin(async move {
            // The port is the URL's, whatever stands here.
            let addresses: Vec<_> = lookup_host((name.as_str(), 0)).await?.collect();
            for address in &addresses {
                reach.check(address.ip())?;
            }
            Ok(addresses.into_iter())
        })
    }
}

/// It goes where the URL says: it follows no redirect and uses no proxy.
pub(crate) struct Receiver {
    url: Uri,
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<bytes::Bytes>>,
}

impl Receiver {
    /// Errors: no certificates on this machine.
    pub(crate) fn new(url: Uri, reach: Reach) -> io::Result<Self> {
        let mut http = HttpConnector::new_with_resolver(Resolver(reach));
        http.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(
                Arc::new(rustls::crypto::ring::default_provider()),
            )?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { url, client })
    }

    /// Posts JSON; what is answered beside the status is nobody's concern.
    pub(crate) async fn post(
        &self,
        headers: [(&str, String); 3],
        json: String,
    ) -> Result<(), SendError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "meterd");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::from(json))
            .expect("a URL and headers of plain text");
        let answer = timeout(TIMEOUT, self.client.request(request)).await??;
        let status = answer.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(SendError::Status(status.as_u16()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: [&str; 5] = [
        "1.1.1.1",
        "93.184.216.34",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "64:ff9b::101:101",
    ];
    const PRIVATE: [&str; 7] = [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "::1",
        "fc00::1",
        "::ffff:10.0.0.1",
    ];
    const NEITHER: [&str; 21] = [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fd00:ec2::254",
        "fe80::1",
        "0.0.0.0",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::127.0.0.1",
        "2001:0:53aa:64c::1",
        "2001:db8::1",
        "3fff::1",
        "ff02::1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
    ];

    #[test]
    fn an_alert_goes_only_so_far() {
        let goes = |reach: Reach, text: &str| reach.check(text.parse().unwrap()).is_ok();
        for (texts, public, private) in [
            (&PUBLIC[..], true, true),
            (&PRIVATE, false, true),
            (&NEITHER, false, false),
        ] {
            for text in texts {
                assert_eq!(goes(Reach::Public, text), public, "{text}");
                assert_eq!(goes(Reach::Private, text), private, "{text}");
            }
        }
    }
}
