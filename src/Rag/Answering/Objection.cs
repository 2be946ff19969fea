namespace Kotonoha.Rag.Answering;

/// <summary>What can speak against a candidate, by the names that <c>--explain</c> shows.</summary>
internal static class Objection
{
    internal const string OtherForm = "other_form", LacksKind = "lacks_kind", ToldByTheQuestion = "told_by_the_question",
        OtherCase = "other_case", NamedElsewhere = "named_elsewhere", LacksName = "lacks_name", OtherThing = "other_thing",
        EmptyCell = "empty_cell", OfASibling = "of_a_sibling", NotOfTheThing = "not_of_the_thing", OneOfMany = "one_of_many",
        SaidOfAnother = "said_of_another";

    /// <summary>All of them, in the order of the trees' features: a new one goes to the end.</summary>
    internal static IReadOnlyList<string> All { get; } =
    [
        OtherForm, LacksKind, ToldByTheQuestion, OtherCase, NamedElsewhere, LacksName, OtherThing, EmptyCell, OfASibling, NotOfTheThing,
        OneOfMany, SaidOfAnother,
    ];
}
