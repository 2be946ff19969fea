using System.IO.Compression;
using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Foundation.Tests.Unicode;

public sealed class NormalizerTests
{
    [Fact]
    public void Normalize_agrees_with_every_line_of_the_unicode_consortiums_test()
    {
        using var file = typeof(NormalizerTests).Assembly.GetManifestResourceStream("NormalizationTest.txt.gz")!;
        using var reader = new StreamReader(new GZipStream(file, CompressionMode.Decompress), Encoding.UTF8);
        int lines = 0;
        while (reader.ReadLine() is { } line)
        {
            if (line.Length == 0 || line[0] == '@')
                continue;
            var columns = line.Split(';').Take(5)
                .Select(c => string.Concat(c.Split(' ').Select(x => char.ConvertFromUtf32(Convert.ToInt32(x, 16))))).ToArray();
            for (int i = 0; i < 5; i++)
            {
                Check(columns[i], NormalizationForm.FormC, columns[i < 3 ? 1 : 3]);
                Check(columns[i], NormalizationForm.FormD, columns[i < 3 ? 2 : 4]);
                Check(columns[i], NormalizationForm.FormKC, columns[3]);
                Check(columns[i], NormalizationForm.FormKD, columns[4]);
            }

            lines++;
        }

        Assert.True(lines > 19_000, $"only {lines} lines");

        static void Check(string source, NormalizationForm form, string expected)
        {
            var got = Normalizer.Normalize(source, form);
            if (got != expected)
                Assert.Fail($"{form} of {Hex(source)} is {Hex(got)}, expected {Hex(expected)}");
        }

        static string Hex(string text) => string.Join(' ', text.Select(c => ((int)c).ToString("X4", null)));
    }

    [Theory]
    [InlineData("ＧＰＴ−２", NormalizationForm.FormKC, "GPT−2")]
    [InlineData("ｶﾞｲﾄﾞ", NormalizationForm.FormKC, "ガイド")]
    [InlineData("㍿", NormalizationForm.FormKC, "株式会社")]
    [InlineData("\ud800x", NormalizationForm.FormKC, "\ud800x")]
    public void Normalize_gives_the_known_form(string text, NormalizationForm form, string expected)
        => Assert.Equal(expected, Normalizer.Normalize(text, form));

    [Theory]
    [InlineData("Straße", "strasse")]
    [InlineData("ΑΣ", "ας", false)]
    [InlineData("ΑΣ", "ασ")]
    [InlineData("İ", "i̇")]
    public void FoldCase_is_the_full_folding(string text, string expected, bool equal = true)
        => Assert.Equal(equal, Normalizer.FoldCase(text) == expected);

    [Fact]
    public void Categories_are_those_of_the_stated_version()
    {
        Assert.Equal("15.0.0", UnicodeData.Version);
        Assert.Equal(System.Globalization.UnicodeCategory.OtherLetter, UnicodeData.GetCategory('言'));
        Assert.Equal(System.Globalization.UnicodeCategory.OtherNotAssigned, UnicodeData.GetCategory(0x10FFFF));
        Assert.Equal(System.Globalization.UnicodeCategory.Surrogate, UnicodeData.GetCategory(0xD800));
        Assert.True(UnicodeData.IsWhiteSpace(0x3000));
        Assert.False(UnicodeData.IsWhiteSpace(0x200B));
        Assert.True(UnicodeData.IsKanjiOrKana('ー'));
    }
}
