//! Whether the CRD is in the cluster. Without it there is nothing to watch; that is no reason to die, since it may be on
//! its way, or on its way back.

use std::time::Duration;

use kube::{Client, api::ListParams};
use wikiingest_crds::WikiIngest;

use crate::{
    error::{Error, call, is_not_found},
    readiness::Readiness,
    watch,
};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(5);

/// Waits until the CRD is there.
pub async fn wait(client: &Client, namespaces: &[String], readiness: &Readiness) {
    let mut told = false;
    loop {
        match look(client, namespaces).await {
            Ok(true) => return readiness.has_crd(true),
            Ok(false) if !told => tracing::warn!(
                "Waiting for the CRD: wikiingest-operator crd | kubectl apply --server-side -f -"
            ),
            Err(error) if !told => tracing::warn!("{error}; trying again"),
            _ => {}
        }
        told = true;
        tokio::time::sleep(LOOK).await;
    }
}

/// Goes on looking, and tells when the CRD goes, and when it is there again.
pub async fn keep_looking(client: &Client, namespaces: &[String], readiness: &Readiness) {
    let mut was = true;
    loop {
        tokio::time::sleep(LOOK).await;
        // An API server that does not answer says nothing of the CRD.
        let Ok(is) = look(client, namespaces).await else {
            continue;
        };
        readiness.has_crd(is);
        match (was, is) {
            (true, false) => tracing::error!("The CRD is gone, and every resource with it"),
            (false, true) => tracing::info!("The CRD is there again"),
            _ => {}
        }
        was = is;
    }
}

/// Whether the CRD is there, as far as any of the namespaces tells: of one that may not be read it is not known.
async fn look(client: &Client, namespaces: &[String]) -> Result<bool, Error> {
    let scopes = watch::scopes(namespaces);
    let mut said = Ok(false);
    for namespace in &scopes {
        let ingests = watch::api::<WikiIngest>(client, namespace.as_deref());
        // One that cannot be parsed is no reason to wait: only metadata.
        let params = ListParams::default().limit(1);
        match call("list WikiIngests", ingests.list_metadata(&params)).await {
            Ok(_) => return Ok(true),
            Err(Error::Api { source, .. }) if is_not_found(&source) => return Ok(false),
            Err(error) => said = Err(error),
        }
    }
    said
}
