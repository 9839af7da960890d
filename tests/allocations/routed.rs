//! A router, and every handler that goes around others.

use std::time::Duration;

use midge::{
    Failure, Handler, Request, Response, Router, Routes, Sent,
    around::{BodyLimit, Cors, Metered, Metrics, Problems, TimeLimit, Trace, WithRequestId},
};

/// What is below `/routed`.
pub async fn routed(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    static METRICS: Metrics = Metrics::new();
    let clock = || Duration::ZERO;
    let around = const {
        Cors::new(Problems::new(TimeLimit::new(Duration::from_secs(9), BodyLimit::new(9, app())))).any_origin()
    };
    let around = Metered::new(&METRICS, clock, WithRequestId::new(Trace::new(|| [7; 16], around).answers(true)));
    around.handle(request, response).await
}

const fn app() -> Router<impl Routes> {
    Router::new().nest("/routed", Router::new().get("/users/{id}", user).post("/users", create))
}

async fn user(request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let mut buffer = [0; 16];
    let id = request.param("id")?.decode(&mut buffer)?;
    response.status(200).body(id).await
}

async fn create(mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
    let body = request.body().all().await?;
    response.status(201).body(body).await
}
