//! Transactions on the table, and nothing else: what each does to its items is told in the log.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder;
use aws_sdk_dynamodb::types::TransactWriteItem;

/// One transaction, to be sent.
///
/// IAM knows no right on transactions, but asks for the rights on their items ("Managing access to transactions" in the
/// DynamoDB developer guide). The SDK tells of the call alone; this line, with the SDK's own at debug, tells of the rest.
pub(crate) fn transaction(client: &Client, items: Vec<TransactWriteItem>) -> TransactWriteItemsFluentBuilder {
    tracing::debug!(rights = ?items.iter().filter_map(right).collect::<Vec<_>>(), "one transaction");
    client.transact_write_items().set_transact_items(Some(items))
}

/// The right that an item takes.
fn right(item: &TransactWriteItem) -> Option<&'static str> {
    let rights = [
        (item.put().is_some(), "dynamodb:PutItem"),
        (item.update().is_some(), "dynamodb:UpdateItem"),
        (item.delete().is_some(), "dynamodb:DeleteItem"),
        (item.condition_check().is_some(), "dynamodb:ConditionCheckItem"),
    ];
    rights.into_iter().find_map(|(is_it, right)| is_it.then_some(right))
}
