//! What an answer costs at least: a bare server of the same framework that answers every order, `echo`,
//! or those that pass the checks, `parse`. Knows no Kafka. `scripts/bench` starts it.

use std::process::ExitCode;

use actix_web::{App, HttpResponse, HttpServer, web};

const USAGE: &str = "usage: limits echo|parse HOST:PORT";
/// As the API's own: the largest order with room to spare.
const BODY_BYTES_MAX: usize = 256 * 1024;

async fn echo(body: web::Bytes) -> HttpResponse {
    HttpResponse::Accepted().content_type("application/json").body(body)
}

async fn parse(body: web::Bytes) -> HttpResponse {
    match producer_api::is_order(&body) {
        true => HttpResponse::Accepted().content_type("application/json").body("{}"),
        false => HttpResponse::UnprocessableEntity().finish(),
    }
}

#[actix_web::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, address] = arguments.as_slice() else {
        return usage();
    };
    let checks = match what.as_str() {
        "echo" => false,
        "parse" => true,
        _ => return usage(),
    };
    match serve(checks, address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {address} cannot be served: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

async fn serve(checks: bool, address: &str) -> std::io::Result<()> {
    let app = move || {
        let orders = web::resource("/v1/orders").app_data(web::PayloadConfig::new(BODY_BYTES_MAX));
        let orders = match checks {
            true => orders.route(web::post().to(parse)),
            false => orders.route(web::post().to(echo)),
        };
        App::new().service(orders).route("/readyz", web::get().to(HttpResponse::Ok))
    };
    HttpServer::new(app).bind(address)?.run().await
}
