use std::io::BufRead;
fn main() -> anyhow::Result<()> {
    let dir = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let t = std::time::Instant::now();
    let mut log = runtime::embedded::EmbeddedLog::open(&dir)?;
    let mut ingest = fastbreak::ingest::Ingest::new(&mut log);
    for f in std::env::args().skip(2) {
        let mut r = fastbreak::ingest::open(std::path::Path::new(&f), |_| {})?;
        let mut line = Vec::new();
        let mut n = 0;
        while r.read_until(b'\n', &mut line)? > 0 {
            n += 1;
            ingest.line(&f, n, &line)?;
            line.clear();
        }
    }
    println!("{:?} {:?}", ingest.finish()?, t.elapsed());
    let t = std::time::Instant::now();
    let nodes = fastbreak::topology::topology(processors::predictor::Predictor::new(None));
    let sup = runtime::supervisor::Supervisor::start(&dir, nodes, vec![], Default::default())?;
    sup.watch(true, |_| {})?;
    println!("run {:?}", t.elapsed());
    let mut per = std::collections::BTreeMap::<String, schemas::ops::LedgerEntry>::new();
    for c in log.read("ops.ledger.v1", 0, 0, usize::MAX)? {
        for r in c.records() {
            let r = r?;
            let e: schemas::ops::LedgerEntry = schemas::wire::decode(r.value.unwrap())?;
            per.entry(e.processor.clone()).or_default().add(&e);
        }
    }
    for (k, e) in per {
        println!("{k}: {e:?} {:?}", e.imbalance());
    }
    let mut s = std::collections::BTreeMap::<String, (i64, i64, i64)>::new();
    for ((t, _), st) in log.states()? {
        let e = s.entry(t).or_default();
        e.0 += st.end;
        e.1 += st.records;
        e.2 += st.bytes;
    }
    for (t, e) in s {
        println!("{t}: {e:?}");
    }
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    for p in 0..6 {
        for c in log.read("ml.features.v1", p, 0, usize::MAX)? {
            for r in c.records() {
                let r = r?;
                if let Some(v) = r.value {
                    let e: schemas::features::Features = schemas::wire::decode(v)?;
                    *kinds.entry(format!("{:?}/{:?}", e.basis, e.eligibility)).or_default() += 1;
                }
            }
        }
    }
    println!("{kinds:?}");
    Ok(())
}
