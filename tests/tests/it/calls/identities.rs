//! Who speaks with whom, as the operator sees it.

use serde_json::{Value, json};
use undertone_tests::{Result, lab::wait_for};

use super::{
    exchange::{Exchange, Plan},
    ground::Who,
    scenarios::CALL,
};
use crate::daemon::operator::SOON;

/// Agents behind a hunt group that is dialled from outside.
const OFFICE: &str = r#"
[[did]]
number = "+4930123800"
extension = "800"
[[did]]
number = "+4930123100"
last = "+4930123199"
extension = "100"
[[user]]
name = "bob"
extensions = ["104"]
display-name = "Bob Miller"
[[user]]
name = "eve"
extensions = ["105"]
[[queue]]
name = "sales"
extensions = ["800"]
agents = ["bob", "eve"]
"#;

impl Exchange {
    /// Waits until the one call has a callee of this extension.
    fn wait_for_callee(&self, extension: &str) -> Result<Value> {
        wait_for(&format!("{extension} to be the callee"), SOON, || {
            let call = self.calls().ok()?.into_iter().next()?;
            (call["callee"]["extension"] == extension).then_some(call)
        })
    }
}

#[test]
fn the_operator_sees_the_extension_that_is_in_the_call() -> Result<()> {
    let mut plan = Plan::loopback()?;
    plan.sip = OFFICE.into();
    let mut exchange = plan.start()?;
    let pbx = exchange.callee(Who::Pbx, "uas_agent", 1, &[])?;
    let carrier = exchange.caller(Who::Carrier, "uac_agent", 1, &["-d", "4000"])?;

    let dialled = exchange.wait_for_callee("800")?;
    assert_eq!((&dialled["phase"], &dialled["callee"]["source"]), (&json!("trying"), &json!("did")), "{dialled}");
    let expected = json!({
        "peer": "carrier", "side": "off-net", "number": "+4940555", "extension": "", "name": "Ann Other", "user": "",
        "private": true, "source": "p-asserted-identity",
    });
    assert_eq!(dialled["caller"], expected);
    let rings = exchange.wait_for_callee("105")?;
    assert_eq!((&rings["callee"]["name"], &rings["callee"]["user"]), (&json!("Desk"), &json!("eve")), "{rings}");
    let speaks = exchange.wait_for_callee("104")?;
    let expected = json!({
        "peer": "pbx", "side": "on-net", "number": "+4930123104", "extension": "104", "name": "Bob Miller",
        "user": "bob", "private": false, "source": "p-asserted-identity",
    });
    assert_eq!((&speaks["callee"], &speaks["phase"]), (&expected, &json!("up")), "{speaks}");
    let users = exchange.operator.ask(&["users"])?;
    assert_eq!((&users[0]["calls"], &users[1]["calls"]), (&json!([speaks["id"]]), &json!([])), "{users}");
    assert_eq!((&users[0]["queues"], &users[0]["extensions"]), (&json!(["sales"]), &json!(["104"])), "{users}");

    let handed_over = exchange.wait_for_callee("105")?;
    assert_eq!(handed_over["callee"]["name"], "Eve E.");
    exchange.wait_for_kept("\"name\":\"Eve E.\",\"extension\":\"105\"")?;
    exchange.daemon().kill9()?;
    exchange.restart()?;
    let after = exchange.wait_for_callee("105")?;
    assert_eq!([&after["caller"], &after["callee"]], [&handed_over["caller"], &handed_over["callee"]]);
    carrier.done(CALL)?;
    pbx.done(CALL)?;
    let record = exchange.assert_idle(1)?.remove(0);
    let callee = json!({
        "number": "105", "extension": "105", "name": "Eve E.", "user": "eve", "peer": "pbx", "side": "on-net",
    });
    assert_eq!((&record["callee"], &record["dialled"]), (&callee, &json!("+4930123800")), "{record}");
    Ok(())
}
