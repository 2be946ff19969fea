using System.Text;

namespace Kotonoha.Tokenizers.Tests;

/// <summary>Holds every hand-written scanner against the pattern engine on random texts, supplementary characters included.</summary>
public sealed class WordScannerTests
{
    private static readonly string[] Characters =
    [
        "a", "b", "s", "t", "l", "v", "e", "r", "S", "T", "L", "E", "ſ", "é", "É", "ǅ", "ʰ", "あ", "漢", "ｱ", "я", "Я", "ー", "𝒙", "𝑿", "𪜀",
        "0", "1", "9", "٣", "Ⅷ", "²", "𝟙", "\u0301", "\u0308", "\u20E3", "!", ".", "-", "/", "/", "。", "「", "+", "$", "€", "😀", "☺",
        "\u200D", "\u0001", "\uE000", "\u0378", "\u2028", "\u0085", "\u00A0", "\u3000", "\t", "\v",
    ];

    public static TheoryData<string, bool> KnownPatterns()
    {
        var data = new TheoryData<string, bool>();
        string[] shared =
        [
            .. Gpt2WordCutter.Patterns, .. Cl100kWordCutter.ThreeDigits, .. Cl100kWordCutter.OneDigit, O200kWordCutter.Pattern,
            DeepSeekWordCutter.Pattern,
            @"\p{N}{1,3}", @"\p{N}", @"[\r\n]", @"\s?[A-Za-zµÀ-ÖØ-öÀ-ɏЀ-ԯ]+", @"\s?[!-/:-~！-／：-～‘-‟　-。]+", @"[一-龥ࠀ-一가-퟿]+", @"\s?\p{L}+",
            @"\s?\p{P}+",
        ];
        foreach (var pattern in shared)
        {
            data.Add(pattern, false);
            data.Add(pattern, true);
        }

        data.Add(Cl100kWordCutter.TiktokenPattern, true);
        data.Add(TrailingSpaceCutter.Pattern, false);
        return data;
    }

    [Theory]
    [MemberData(nameof(KnownPatterns))]
    public void A_scanner_cuts_where_its_pattern_does(string pattern, bool rust)
    {
        var dialect = rust ? RegexDialect.Rust : RegexDialect.Oniguruma;
        var scanner = WordScanner.For(pattern, dialect);
        Assert.NotNull(scanner);
        var regex = BoundedRegex.Parse(pattern, dialect);
        var random = new Random(41);
        var (fast, slow) = (new PieceBuffer(), new PieceBuffer());
        for (int round = 0; round < 2_000; round++)
        {
            var text = RandomText(random);
            fast.Load(text, 0, trackOffsets: false);
            slow.Load(text, 0, trackOffsets: false);
            scanner.Cut(fast);
            slow.Cut(new SplitCutter(regex, SplitBehavior.Isolated, invert: false));
            Assert.True(Pieces(slow).SequenceEqual(Pieces(fast)),
                $"'{text}': {string.Join("|", Pieces(fast))} instead of {string.Join("|", Pieces(slow))}");
        }
    }

    [Theory]
    [InlineData("Removed", false, "the|final|countdown")]
    [InlineData("Removed", true, "-|-|-|-")]
    [InlineData("Isolated", false, "the|-|final|-|-|countdown|-")]
    [InlineData("MergedWithPrevious", false, "the-|final-|-|countdown-")]
    [InlineData("MergedWithNext", false, "the|-final|-|-countdown|-")]
    [InlineData("Contiguous", false, "the|-|final|--|countdown|-")]
    public void Matches_go_where_the_behavior_puts_them(string behavior, bool invert, string pieces)
    {
        var buffer = new PieceBuffer();
        buffer.Load("the-final--countdown-", 0, trackOffsets: false);
        new SplitPreTokenizer("-", isRegex: false, Enum.Parse<SplitBehavior>(behavior), invert).PreTokenize(buffer);
        Assert.Equal(pieces, string.Join("|", Pieces(buffer)));
    }

    private static string RandomText(Random random)
    {
        var builder = new StringBuilder();
        for (int length = random.Next(1, 20); length > 0; length--)
            builder.Append(random.Next(8) switch
            {
                0 => " ",
                1 => random.Next(3) == 0 ? "\r" : "\n",
                2 => "'",
                3 => "  ",
                _ => Characters[random.Next(Characters.Length)],
            });
        return builder.ToString();
    }

    private static IEnumerable<string> Pieces(PieceBuffer buffer)
        => Enumerable.Range(0, buffer.PieceCount).Select(p => buffer.Piece(p).ToString());
}
