//! The same on lambda_runtime alone: the event is read as JSON of any shape, as its documentation does.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(hello)).await
}

async fn hello(_event: LambdaEvent<Value>) -> Result<Value, Error> {
    Ok(
        json!({ "statusCode": 200, "headers": { "content-type": "text/plain" }, "body": "Hello, World!", "isBase64Encoded": false }),
    )
}
