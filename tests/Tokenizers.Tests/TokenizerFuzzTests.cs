namespace Kotonoha.Tokenizers.Tests;

/// <summary>A small dose of what <c>scripts/fuzz tokenizers</c> does at length.</summary>
public sealed class TokenizerFuzzTests
{
    private static readonly string[] Bits =
        ["a", "the", " the", "'LL", "'ſ", "\r\n", "  ", "\u00A0", "\u0301\u0323", "漢字", "가", "😀", "٣", "<s>", "<unk>", "[CLS]", "<0x0A>",
            "▁", "##", "Ġ", "\uD800", "\0", "\uE000", "ﬃ", "..."];

    [Fact]
    public void Any_text_goes_through_every_reference_tokenizer()
    {
        using var fixtures = FixtureArchive.Extract("tokenizers");
        var random = new Random(17);
        foreach (var file in Directory.EnumerateFiles(fixtures.Path, "tokenizer.json", SearchOption.AllDirectories))
        {
            var tokenizer = Tokenizer.Load(file);
            for (int round = 0; round < 150; round++)
            {
                var text = RandomText(random);
                var ids = tokenizer.Encode(text, parseSpecialTokens: true);
                var detailed = tokenizer.EncodeWithOffsets(text, parseSpecialTokens: true);
                Assert.Equal(ids, detailed.Ids);
                Assert.All(detailed.Offsets,
                    offset => Assert.True(offset.Start >= 0 && offset.End >= offset.Start && offset.End <= text.Length));
                _ = tokenizer.Decode(ids);
            }
        }
    }

    [Fact]
    public void A_changed_file_is_read_or_refused_with_a_typed_error()
    {
        using var fixtures = FixtureArchive.Extract("tokenizers");
        var random = new Random(18);
        foreach (var file in Directory.EnumerateFiles(fixtures.Path, "tokenizer.json", SearchOption.AllDirectories))
        {
            var content = File.ReadAllBytes(file);
            for (int round = 0; round < 10; round++)
            {
                var changed = content.ToArray();
                for (int change = random.Next(1, 4); change > 0; change--)
                    changed[random.Next(Math.Min(changed.Length, 4096))] = (byte)"019\"{}[],:-aX\\u*+?()|^$"[random.Next(23)];
                try
                {
                    var tokenizer = Tokenizer.Parse(changed);
                    _ = tokenizer.Decode(tokenizer.Encode(RandomText(random)));
                }
                catch (TokenizerException)
                {
                }
            }
        }
    }

    private static string RandomText(Random random)
        => string.Concat(Enumerable.Range(0, random.Next(12))
            .Select(_ => random.Next(3) == 0 ? ((char)random.Next(0x10000)).ToString() : Bits[random.Next(Bits.Length)]));
}
