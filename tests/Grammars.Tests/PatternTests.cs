using System.Text;
using System.Text.RegularExpressions;

namespace Kotonoha.Grammars.Tests;

/// <summary>Regular expressions as grammars, with .NET's own as the judge.</summary>
public sealed class PatternTests
{
    private const int Dose = 200;

    public static TheoryData<string> Patterns =>
    [
        "abc", "a|bc|", "[a-f]{2,4}", "(?:ab)+c?", @"\d{3}-\d{4}", @"[^a-z]x", "a.b", @"\w+\s\w+", @"\D\W\S", "(?i)hello", @"\p{Lu}\p{Ll}*",
        "[A-Za-z_][A-Za-z0-9_]*", @"(\+|-)?(0|[1-9]\d*)(\.\d+)?", "^anchored$", "[a-z-[aeiou]]{3}", @"\u00e9\x41\t", "日本語?", "(a(b(c)?)?)?",
        "x{0}y", "(?<year>[0-9]{4})", @"[\]\-\\]", "a{,2}", "a*?b+?", @"\.\*\(", "[^\"]*", "(0|1){0,40}1",
    ];

    [Theory]
    [MemberData(nameof(Patterns))]
    public void What_is_written_under_a_pattern_matches_it(string pattern)
    {
        var random = new Random(1);
        var grammar = Grammar.FromRegex(pattern);
        foreach (var habit in Enum.GetValues<Habit>())
        {
            string text = UntrainedModel.Write(grammar, TestVocabularies.ByteLevel.Vocabulary, 40, habit, random);
            Assert.True(Whole(pattern).IsMatch(text), $"'{text}' under {pattern}");
            Assert.True(grammar.Matches(text));
        }
    }

    /// <summary><c>scripts/check-grammars</c> sets a seed of its own.</summary>
    [Fact]
    public void Random_patterns_and_dot_NET_agree_on_random_texts()
    {
        var random = new Random(
            int.Parse(Environment.GetEnvironmentVariable("KOTONOHA_GRAMMAR_SEED") ?? "7",
                System.Globalization.CultureInfo.InvariantCulture));
        for (int i = 0; i < Dose; i++)
        {
            string pattern = Draw(random, 3);
            var grammar = Grammar.FromRegex(pattern);
            var judge = Whole(pattern);
            for (int j = 0; j < 20; j++)
            {
                string text = string.Concat(Enumerable.Range(0, random.Next(6)).Select(_ => "abc1 "[random.Next(5)]));
                Assert.True(judge.IsMatch(text) == grammar.Matches(text), $"'{text}' under {pattern}");
            }

            var vocabulary = (i % 2 == 0 ? TestVocabularies.ByteLevel : TestVocabularies.SentencePieceLike).Vocabulary;
            int budget = new GrammarMatcher(grammar, vocabulary).ShortestCompletion + random.Next(20);
            string written = UntrainedModel.Write(grammar, vocabulary, budget, (Habit)random.Next(Enum.GetValues<Habit>().Length), random);
            Assert.True(judge.IsMatch(written), $"'{written}' under {pattern}");
        }
    }

    [Theory]
    [InlineData("(?=a)b", GrammarError.Unsupported, "0")]
    [InlineData(@"(a)\1", GrammarError.Unsupported, "3")]
    [InlineData(@"\bword", GrammarError.Unsupported, "0")]
    [InlineData("a^b", GrammarError.Unsupported, "2")]
    [InlineData("a(b", GrammarError.Syntax, "1")]
    [InlineData("a)b", GrammarError.Syntax, "1")]
    [InlineData("[a", GrammarError.Syntax, "0")]
    [InlineData("*a", GrammarError.Syntax, "0")]
    [InlineData("a{3,2}", GrammarError.Syntax, "1")]
    public void What_is_not_regular_or_malformed_is_named_with_its_place(string pattern, GrammarError kind, string place)
    {
        var error = Assert.Throws<GrammarException>(() => Grammar.FromRegex(pattern));
        Assert.Equal((kind, place), (error.Error, error.Place));
    }

    private static Regex Whole(string pattern) => new($@"\A(?:{pattern})\z", RegexOptions.CultureInvariant);

    private static string Draw(Random random, int depth)
    {
        var text = new StringBuilder();
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            text.Append(random.Next(depth > 0 ? 6 : 4) switch
            {
                0 => "a",
                1 => "[ab]",
                2 => "[^a]",
                3 => @"\d",
                4 => $"({Draw(random, depth - 1)}|{Draw(random, depth - 1)})",
                _ => $"(?:{Draw(random, depth - 1)})",
            });
            text.Append(random.Next(7) switch { 0 => "*", 1 => "+", 2 => "?", 3 => "{1,2}", _ => "" });
        }

        return text.ToString();
    }
}
