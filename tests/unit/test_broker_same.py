"""What is kept by identity is never another value's."""

from twinpane_broker.catalogue.catalogue import Code, Column
from twinpane_broker.engine.sql.category_keys import code_numbers
from twinpane_broker.model import Same
from twinpane_broker.question.normal_form import terms_of
from twinpane_broker.question.predicates import In


def test_equal_values_are_not_the_same() -> None:
    """True equals 1, and is another code: what was worked out of one is not told of the other."""
    one, true = In(column="person.a", codes=(1,)), In(column="person.a", codes=(True,))
    assert one == true
    assert Same(one) != Same(true)
    assert Same(one) == Same(one)
    assert [term.codes[0] is True for where in (one, true, one) for term in terms_of(where)] == [False, True, False]
    columns = [Column(name="a", type="integer", role="dimension", codes=(Code(value=value, share=0.5),)) for value in (1, True)]
    assert [list(code_numbers(column)) for column in columns] == [[("number", 1)], [("boolean", True)]]
