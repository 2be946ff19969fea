namespace Kotonoha.Grammars.Tests;

/// <summary>Grammars in llama.cpp's notation.</summary>
public sealed class GbnfTests
{
    private const string Arithmetic = """
        # sums and products
        root  ::= sum "\n"?
        sum   ::= product (ws [-+] ws product)*
        product ::= value (ws [*/] ws value)*
        value ::= [0-9]{1,3}
                | "(" ws sum ws ")"
        ws    ::= " "?
        """;

    [Theory]
    [InlineData(Arithmetic, "1 + 2*(3-44)", "1 + + 2")]
    [InlineData("root ::= item+\nitem ::= \"- \" [^\\r\\n]+ \"\\n\"", "- milk\n- eggs\n", "milk\n")]
    [InlineData("root ::= (\"O-O\" | [KQRBN]? [a-h] [1-8]) [+#]?", "Nf3", "Nf9")]
    [InlineData("root ::= \"é\\u65e5\\\"\\x41\"", "é日\"A", "é日A")]
    [InlineData("root ::= . \"x\"", "日x", "x")]
    public void Grammars_let_through_their_texts_alone(string gbnf, string fits, string doesNot)
    {
        var grammar = Grammar.FromGbnf(gbnf);
        Assert.True(grammar.Matches(fits));
        Assert.False(grammar.Matches(doesNot));
        var random = new Random(3);
        foreach (var habit in Enum.GetValues<Habit>())
            Assert.True(grammar.Matches(UntrainedModel.Write(grammar, TestVocabularies.SentencePieceLike.Vocabulary, 50, habit, random)));
    }

    [Theory]
    [InlineData("root ::= a", "1")]
    [InlineData("other ::= \"a\"", "1")]
    [InlineData("root ::= \"a\"\nroot ::= \"b\"", "2")]
    [InlineData("root ::= \"a\n", "1")]
    [InlineData("root ::= [a", "1")]
    [InlineData("root ::= (\"a\"", "1")]
    [InlineData("root = \"a\"", "1")]
    [InlineData("root ::= \"a\"{x}", "1")]
    public void Malformed_grammars_are_refused_with_their_line(string gbnf, string line)
    {
        var error = Assert.Throws<GrammarException>(() => Grammar.FromGbnf(gbnf));
        Assert.Equal((GrammarError.Syntax, line), (error.Error, error.Place));
    }

    [Fact]
    public void A_rule_that_begins_with_itself_is_refused()
        => Assert.Throws<GrammarException>(() => Grammar.FromGbnf("root ::= root \"a\" | \"a\""));
}
