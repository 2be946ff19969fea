using System.Text;
using System.Text.RegularExpressions;

namespace Kotonoha.Tokenizers.Tests;

/// <summary>Holds the pattern engine against what Oniguruma and Rust's engines do, and against .NET's where they agree.</summary>
public sealed class BoundedRegexTests
{
    [Theory]
    [InlineData("(?i:'s)", "'s 'S 'ſ 't", "'s|'S|'ſ")]
    [InlineData("(?i)k|x", "kK\u212Ax", "k|K|\u212A|x")]
    [InlineData("(?i)ß", "ẞß", "ẞ|ß")]
    [InlineData("[^\\s\\p{L}]+", "ab 12!猫 𝒙𝟙", "12!|𝟙")]
    [InlineData("[\\p{L}&&[^a-c]]+", "abcdefa", "def")]
    [InlineData("[a-z&&[^aeiou]&&[^x-z]]+", "hello xyz", "h|ll")]
    [InlineData("[[:digit:][:^ascii:]]+", "a1é٣b", "1é٣")]
    [InlineData("[]a]+", "x]a", "]a")]
    [InlineData("[a\\-z-]+", "a-z-b", "a-z-")]
    [InlineData("\\p{Lu}\\p{Ll}*", "HelloWORLDÉté", "Hello|W|O|R|L|D|Été")]
    [InlineData("\\p{^L}+", "ab12cd", "12")]
    [InlineData("a++a", "aaaa", "")]
    [InlineData("a*?b", "aab b", "aab|b")]
    [InlineData("(?>a|ab)c", "abc ac", "ac")]
    [InlineData("\\s+(?!\\S)|\\s+|\\S+", "a   b ", "a|  | |b| ")]
    [InlineData("(?<=a|bb)c", "ac bc bbc", "c|c")]
    [InlineData("(?<!\\d)x", "1x ٣x x", "x")]
    [InlineData("(?<=😀)x", "😀x", "x")]
    [InlineData("\\bat\\b", "at bat at.", "at|at")]
    [InlineData("(?x) a b # comment\n c", "abc", "abc")]
    [InlineData("a{2}?", "aaaa", "aa|aa")]
    [InlineData("a{,2}b", "aaab", "aab")]
    [InlineData("x{y", "x{y", "x{y")]
    [InlineData("a(?i)b|c", "aB aC c", "aB|aC")]
    [InlineData("\\R", "a\r\nb\nc\u2028", "\r\n|\n|\u2028")]
    [InlineData(".", "😀\nx", "😀|x")]
    [InlineData("(a|ab)(c|bcd)(d*)", "abcd", "abcd")]
    [InlineData("(?:a?)*b", "aab", "aab")]
    [InlineData("(?:a|b?)+c", "abbc", "abbc")]
    [InlineData("(?<word>a)(?#note)b", "ab", "ab")]
    [InlineData("\\x{1F600}\\u0041\\x42", "😀AB", "😀AB")]
    public void Matches_are_those_of_oniguruma(string pattern, string text, string matches)
        => Assert.Equal(matches, string.Join("|", All(BoundedRegex.Parse(pattern), text)));

    [Theory]
    [InlineData("\\s+$", "a \n b  ", " |  ")]
    [InlineData("^", "a\nb\n", "|")]
    public void Line_anchors_hold_at_every_line_in_oniguruma(string pattern, string text, string matches)
        => Assert.Equal(matches, string.Join("|", All(BoundedRegex.Parse(pattern), text)));

    [Theory]
    [InlineData("\\s++$", "a \n b  ", "  ")]
    [InlineData("\\p{N}{1,3}+5", "1235 12345", "1235|2345")]
    [InlineData("(?s).", "\n", "\n")]
    [InlineData("(?m)^a$", "a\na", "a|a")]
    [InlineData("(?P<n>a)", "a", "a")]
    public void Rust_reads_some_patterns_otherwise(string pattern, string text, string matches)
        => Assert.Equal(matches, string.Join("|", All(BoundedRegex.Parse(pattern, RegexDialect.Rust), text)));

    [Theory]
    [InlineData("(a", "index 0")]
    [InlineData("a)", "index 1")]
    [InlineData("[a", "index 0")]
    [InlineData("*a", "index 0")]
    [InlineData("a{3,1}", "index 1")]
    [InlineData("\\p{Klingon}", "Klingon")]
    [InlineData("(a)\\1", "back reference")]
    [InlineData("[z-a]", "range")]
    [InlineData("(?<=a+)b", "looks behind")]
    [InlineData("\\", "index 0")]
    [InlineData("(?", "index 0")]
    [InlineData("(?~a)", "(?~")]
    [InlineData("\\x{110000}", "code point")]
    [InlineData("((a{1000}){1000}){1000}", "too large")]
    public void A_pattern_that_cannot_be_run_is_an_error_that_names_the_place(string pattern, string part)
        => Assert.Contains(part, Assert.Throws<TokenizerException>(() => BoundedRegex.Parse(pattern)).Message, StringComparison.Ordinal);

    [Fact]
    public void Deep_nesting_is_refused()
    {
        Assert.Throws<TokenizerException>(() => BoundedRegex.Parse(new string('(', 10_000) + new string(')', 10_000)));
        Assert.Throws<TokenizerException>(() => BoundedRegex.Parse(new string('[', 10_000) + new string(']', 10_000)));
        Assert.Throws<TokenizerException>(() => BoundedRegex.Parse("a" + new string('*', 1_000)));
    }

    [Theory]
    [InlineData("(a+)+b", "a", "c")]
    [InlineData("(a|a)*b", "a", "")]
    [InlineData("(a|aa)+$", "a", "b")]
    [InlineData("\\s+$", " ", "x")]
    [InlineData("\\s++$", " ", "x")]
    [InlineData("(.*)(.*)(.*)x", "ab", "")]
    [InlineData("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", " ", "x")]
    [InlineData("(?=(a+)+b)a", "a", "")]
    public void Twice_the_hostile_text_costs_at_most_twice_and_a_half_the_steps(string pattern, string unit, string tail)
    {
        var regex = BoundedRegex.Parse(pattern);
        long Steps(int count)
        {
            regex.FindAll(string.Concat(Enumerable.Repeat(unit, count)) + tail, [], out long steps);
            return steps;
        }

        Assert.InRange((double)Steps(20_000) / Steps(10_000), 1, 2.5);
    }

    [Fact]
    public void A_search_beyond_its_bound_is_an_error()
        => Assert.Contains("steps", Assert.Throws<TokenizerException>(
            () => BoundedRegex.Parse("(?:a?|(?:aa)*)*(?:(?:b?a)*)*(?:a*|a)*c").FindAll(new string('a', 3_000), [])).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Random_patterns_match_what_the_runtime_matches()
    {
        var random = new Random(6);
        for (int round = 0; round < 2_000; round++)
        {
            var pattern = RandomPattern(random, 3);
            var text = RandomText(random);
            var want = new Regex(pattern, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(10)).Matches(text)
                .Select(m => (m.Index, m.Index + m.Length)).ToArray();
            var got = new List<RegexMatch>();
            BoundedRegex.Parse(pattern, RegexDialect.Rust).FindAll(text, got);

            // The runtime keeps an empty match that touches the one before.
            var wanted = want.Where((m, i) => m.Item1 < m.Item2 || i == 0 || want[i - 1].Item2 != m.Item1);
            Assert.True(wanted.SequenceEqual(got.Select(m => (m.Start, m.End))),
                $"pattern {pattern} text '{text}' want {string.Join(" ", wanted)} got {string.Join(" ", got)}");
        }
    }

    private static string RandomPattern(Random random, int depth)
    {
        var builder = new StringBuilder();
        int parts = random.Next(1, 4);
        for (int i = 0; i < parts; i++)
        {
            int kind = random.Next(depth > 0 ? 14 : 7);
            var inner = kind >= 7 ? RandomPattern(random, depth - 1) : "";
            builder.Append(kind switch
            {
                0 or 1 => "a",
                2 => "b",
                3 => "[ab]",
                4 => "[^a]",
                5 => "\\s",
                6 => random.Next(2) == 0 ? "\\b" : "$",
                7 => $"(?={inner})",
                8 => $"(?!{inner})",

                // The engines treat repeated empty matches each in its own way, so what is repeated takes something.
                _ => $"(a{inner})",
            });
            if (kind is not (6 or 7 or 8) && random.Next(2) == 0)
                builder.Append(
                    random.Next(8) switch { 0 => "*", 1 => "+", 2 => "?", 3 => "*?", 4 => "+?", 5 => "??", 6 => "{1,2}", _ => "{2,}" });
            if (random.Next(6) == 0 && i + 1 < parts)
                builder.Append('|');
        }

        return builder.ToString();
    }

    private static string RandomText(Random random)
        => string.Create(random.Next(12), random, static (span, random) =>
        {
            foreach (ref char c in span)
                c = "aaabb c"[random.Next(7)];
        });

    private static IEnumerable<string> All(BoundedRegex regex, string text)
    {
        var matches = new List<RegexMatch>();
        regex.FindAll(text, matches);
        return matches.Select(m => text[m.Start..m.End]);
    }
}
