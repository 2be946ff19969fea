using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers.Tests;

public sealed class NormalizerTests
{
    [Theory]
    [InlineData(NormalizationForm.FormC, "xe\u0301y", "xéy", "0-1 1-2 3-4")]
    [InlineData(NormalizationForm.FormC, "a\u0301\u0323b", "ạ\u0301b", "0-1 2-3 3-4")]
    [InlineData(NormalizationForm.FormD, "éx", "e\u0301x", "0-1 0-1 1-2")]
    [InlineData(NormalizationForm.FormKC, "ｱﾞ㍿", "ア\u3099株式会社", "")]
    [InlineData(NormalizationForm.FormC, "각", "각", "0-1")]
    public void Characters_keep_the_place_they_came_from(NormalizationForm form, string text, string expected, string places)
    {
        var buffer = new PieceBuffer();
        buffer.Load(text, 0, trackOffsets: true);
        new UnicodeFormNormalizer(form).Normalize(buffer);
        Assert.Equal(Normalizer.Normalize(expected, form), buffer.Text.ToString());
        if (places.Length > 0)
            Assert.Equal(places,
                string.Join(" ",
                    Enumerable.Range(0, buffer.Text.Length).Select(i => buffer.Origin(i, i + 1)).Select(o => $"{o.Start}-{o.End}")));
    }

    [Theory]
    [InlineData(NormalizationForm.FormC)]
    [InlineData(NormalizationForm.FormD)]
    [InlineData(NormalizationForm.FormKC)]
    [InlineData(NormalizationForm.FormKD)]
    public void With_and_without_places_the_text_is_the_normalised_one(NormalizationForm form)
    {
        var random = new Random(31);
        int[][] ranges =
            [[0x41, 0x7B], [0x300, 0x345], [0xC0, 0x180], [0x1E00, 0x1F00], [0x1100, 0x1200], [0xAC00, 0xAD00], [0xFF00, 0xFFE0],
                [0x1D400, 0x1D500], [0x0900, 0x0A00]];
        for (int i = 0; i < 3_000; i++)
        {
            var builder = new StringBuilder();
            for (int length = random.Next(1, 12); length > 0; length--)
            {
                var range = ranges[random.Next(ranges.Length)];
                builder.Append(char.ConvertFromUtf32(random.Next(range[0], range[1])));
            }

            var text = builder.ToString();
            foreach (bool track in (bool[])[false, true])
            {
                var buffer = new PieceBuffer();
                buffer.Load(text, 0, track);
                new UnicodeFormNormalizer(form).Normalize(buffer);
                Assert.Equal(Normalizer.Normalize(text, form), buffer.Text.ToString());
            }
        }
    }
}
