using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers.Tests;

/// <summary>Holds the hand-written cutters against the regular expressions that they stand for.</summary>
public sealed partial class WordCutterTests
{
    private const string Letters = "abstmdrevlSTMDREVLéßñÅあ漢字ｱКя";
    private const string Others = "''''--.!?☺#_(/）、\u0301\u200d";
    private const string Digits = "0129٣Ⅷ²５";
    private const string Blanks = "      \t\t\u00a0\u3000\u2003\u0085\v";

    [Theory]
    [InlineData("I'm sure you're right", "I|'m| sure| you|'re| right")]
    [InlineData("I'M  here 42!?\n\nok", "I|'|M| | here| 42|!?|\n|\n|ok")]
    [InlineData("it''s  ", "it|''|s|  ")]
    [InlineData("x\t\ty ", "x|\t|\t|y| ")]
    [InlineData("猫が 😀😀 a1", "猫が| 😀😀| a|1")]
    public void Gpt2_words_are_cut_where_gpt2_cuts(string text, string words)
        => Assert.Equal(words, string.Join("|", Words(default(Gpt2WordCutter), text)));

    [Theory]
    [InlineData("I'M sure you'Re 12345", "I|'M| sure| you|'Re| |123|45")]
    [InlineData("He'ſ (ok)!!\r\n\n  x", "He|'ſ| (|ok|)!!\r\n\n| | x")]
    [InlineData("😀x 𝒙𝒚z, 𝟙𝟚𝟛𝟜", "😀x| 𝒙𝒚z|,| |𝟙𝟚𝟛|𝟜")]
    [InlineData("a \n b\t\n\nc", "a| \n| b|\t\n\n|c")]
    public void Cl100k_words_are_cut_where_cl100k_cuts(string text, string words)
        => Assert.Equal(words, string.Join("|", Words(new Cl100kWordCutter(3), text)));

    [Theory]
    [InlineData("Whitespace", " don't  stop_me, 猫。\n", "don|'|t|stop_me|,|猫|。")]
    [InlineData("WhitespaceSplit", " don't  stop_me, 猫。\u3000x", "don't|stop_me,|猫。|x")]
    [InlineData("Digits", "a12 ٣4b", "a|12| |٣4|b")]
    [InlineData("Digits individual", "a12 𝟙b", "a|1|2| |𝟙|b")]
    public void Other_pre_tokenizers_cut_where_they_should(string name, string text, string words)
    {
        IPreTokenizer preTokenizer = name switch
        {
            "Whitespace" => new WhitespacePreTokenizer(),
            "WhitespaceSplit" => new WhitespaceSplitPreTokenizer(),
            _ => new DigitsPreTokenizer(name == "Digits individual"),
        };
        var buffer = new PieceBuffer();
        buffer.Load(text, 0, trackOffsets: false);
        preTokenizer.PreTokenize(buffer);
        Assert.Equal(words, string.Join("|", Enumerable.Range(0, buffer.PieceCount).Select(p => buffer.Piece(p).ToString())));
    }

    [Fact]
    public void Gpt2_cutter_agrees_with_the_regular_expression()
        => Compare(default(Gpt2WordCutter), Gpt2Regex(), seed: 11);

    [Fact]
    public void Cl100k_cutter_agrees_with_the_regular_expression()
        => Compare(new Cl100kWordCutter(3), Cl100kRegex(), seed: 12);

    private static void Compare<TCutter>(TCutter cutter, Regex regex, int seed)
        where TCutter : IPieceCutter
    {
        var random = new Random(seed);
        for (int i = 0; i < 20_000; i++)
        {
            var builder = new StringBuilder();
            int length = random.Next(1, 24);
            while (builder.Length < length)
            {
                var source =
                    random.Next(12) switch { < 4 => Letters, < 6 => Others, < 7 => Digits, < 10 => Blanks, < 11 => "\r\n\n", _ => "" };
                if (source.Length > 0)
                {
                    int at = random.Next(source.Length);
                    builder.Append(source[at]);
                    continue;
                }

                // Any other BMP character on which both tables agree.
                char c = (char)random.Next(0xD800);
                if (char.GetUnicodeCategory(c) == UnicodeData.GetCategory(c))
                    builder.Append(c);
            }

            var text = builder.ToString();
            Assert.Equal(regex.Matches(text).Select(m => m.Value), Words(cutter, text));
        }
    }

    private static List<string> Words<TCutter>(TCutter cutter, string text)
        where TCutter : IPieceCutter
    {
        var words = new List<string>();
        for (int at = 0; cutter.TryNext(text, at, out int end, out bool keep); at = end)
        {
            Assert.True(end > at && keep);
            words.Add(text[at..end]);
        }

        return words;
    }

    // .NET's \s is White_Space; its classes see UTF-16 units, so these texts are BMP only.
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)]
    private static partial Regex Gpt2Regex();

    [GeneratedRegex(@"'[sStTmMdDſ]|'[rR][eE]|'[vV][eE]|'[lL][lL]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)]
    private static partial Regex Cl100kRegex();
}
