use super::*;

#[test]
fn the_stack_of_the_design_is_accepted() {
    assert_eq!(findings("stack.yaml", STACK), "");
}
