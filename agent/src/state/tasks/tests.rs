//! The queue: its order, what counts as the same, what is kept of it.

use super::super::tests::{now, open};
use super::*;

fn task(action: ActionKind) -> NewTask {
    NewTask::new(action, Vec::new(), ActionOptions::default(), "SCHEDULER", now())
}

#[tokio::test]
async fn urgent_tasks_run_first_and_equal_ones_in_order() {
    let (_place, state) = open().await;
    let audit = state.queue_task(&task(ActionKind::Audit)).await.unwrap();
    let install = state.queue_task(&task(ActionKind::Install)).await.unwrap();
    let remove = state.queue_task(&task(ActionKind::Remove)).await.unwrap();
    let update = state.queue_task(&task(ActionKind::Update)).await.unwrap();
    let mut order = Vec::new();
    while let Some(next) = state.next_task().await.unwrap() {
        state.begin_task(next.task.id, now()).await.unwrap();
        order.push(next.task.id);
        state
            .finish_task(next.task.id, TaskState::Done, "done", now())
            .await
            .unwrap();
    }
    assert_eq!(order, [update, install, remove, audit]);
}

#[tokio::test]
async fn an_equal_waiting_task_is_taken_instead_of_a_second_one() {
    let (_place, state) = open().await;
    let first = state.queue_task(&task(ActionKind::Update)).await.unwrap();
    assert_eq!(state.queue_task(&task(ActionKind::Update)).await.unwrap(), first);
    let ordered = task(ActionKind::Update).with_batch(Uuid::now_v7());
    assert_ne!(state.queue_task(&ordered).await.unwrap(), first);
    assert_eq!(state.pending_count().await.unwrap(), 2);
}

#[tokio::test]
async fn what_a_person_asks_for_is_not_taken_for_what_the_schedule_asks_for() {
    let (_place, state) = open().await;
    let scheduled = state.queue_task(&task(ActionKind::Upgrade)).await.unwrap();
    let mut asked = task(ActionKind::Upgrade);
    asked.ordered_by = "Ada".to_owned();
    assert_eq!(state.queue_task(&asked).await.unwrap(), asked.id);
    assert_eq!(
        state.queue_task(&task(ActionKind::Upgrade)).await.unwrap(),
        scheduled
    );
    // Two people who ask for the same get the same.
    let mut again = task(ActionKind::Upgrade);
    again.ordered_by = "Bob".to_owned();
    assert_eq!(state.queue_task(&again).await.unwrap(), asked.id);
}

#[tokio::test]
async fn messages_and_their_like_have_a_way_of_their_own() {
    let (_place, state) = open().await;
    let upgrade = state.queue_task(&task(ActionKind::Upgrade)).await.unwrap();
    let message = state.queue_task(&task(ActionKind::Message)).await.unwrap();
    assert_eq!(state.next_task().await.unwrap().unwrap().task.id, upgrade);
    assert_eq!(state.next_instant_task().await.unwrap().unwrap().task.id, message);
}

#[tokio::test]
async fn tasks_of_a_newer_version_are_shown_and_ended_and_nothing_stops_at_them() {
    let (_place, state) = open().await;
    for (kind, options) in [("teleport", "{}"), ("update", "{\"speed\": 3}"), ("update", "{}")] {
        let id = state
            .queue_task(&task(ActionKind::Inventory).with_batch(Uuid::now_v7()))
            .await
            .unwrap();
        sqlx::query("UPDATE tasks SET kind = ?, options = ? WHERE id = ?")
            .bind(kind)
            .bind(options)
            .bind(id.to_string())
            .execute(&state.pool)
            .await
            .unwrap();
    }
    assert!(state.open_tasks().await.is_err());
    assert_eq!(state.recent_tasks(9).await.unwrap().len(), 3);
    let unknown_options = serde_json::from_str::<ActionOptions>("{\"speed\": 3}").is_err();
    let expected = if unknown_options { 2 } else { 1 };
    assert_eq!(state.end_unreadable_tasks(now()).await.unwrap(), expected);
    assert_eq!(state.open_tasks().await.unwrap().len(), 3 - expected);
    // The server is told of their end like of any other.
    assert_eq!(state.unannounced_tasks().await.unwrap().len(), expected);
}

#[tokio::test]
async fn the_history_is_bounded_but_ends_nobody_was_told_of_stay() {
    let (_place, state) = open().await;
    let ordered = task(ActionKind::Update).with_batch(Uuid::now_v7());
    state.queue_task(&ordered).await.unwrap();
    state
        .finish_task(ordered.id, TaskState::Done, "done", now())
        .await
        .unwrap();
    for _ in 0..60 {
        let id = state.queue_task(&task(ActionKind::Update)).await.unwrap();
        state
            .finish_task(id, TaskState::Done, "done", now())
            .await
            .unwrap();
    }
    assert_eq!(state.recent_tasks(1000).await.unwrap().len(), 51);
    assert_eq!(state.unannounced_tasks().await.unwrap().len(), 1);
    state.mark_announced(ordered.id).await.unwrap();
    assert!(state.unannounced_tasks().await.unwrap().is_empty());
}

#[tokio::test]
async fn cancelling_by_order_leaves_the_others() {
    let (_place, state) = open().await;
    let batch = Uuid::now_v7();
    state
        .queue_task(&task(ActionKind::Install).with_batch(batch))
        .await
        .unwrap();
    let other = state.queue_task(&task(ActionKind::Update)).await.unwrap();
    let ended = state
        .cancel_pending(|task| task.batch == Some(batch), "cancelled by Ada", now())
        .await
        .unwrap();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].state, TaskState::Cancelled);
    assert_eq!(state.next_task().await.unwrap().unwrap().task.id, other);
}
