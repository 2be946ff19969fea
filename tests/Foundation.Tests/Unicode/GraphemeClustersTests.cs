using System.IO.Compression;
using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Foundation.Tests.Unicode;

public sealed class GraphemeClustersTests
{
    [Fact]
    public void Clusters_agree_with_every_line_of_the_unicode_consortiums_test()
    {
        using var file = typeof(GraphemeClustersTests).Assembly.GetManifestResourceStream("GraphemeBreakTest.txt.gz")!;
        using var reader = new StreamReader(new GZipStream(file, CompressionMode.Decompress), Encoding.UTF8);
        int lines = 0;
        while (reader.ReadLine() is { } line)
        {
            string[] clusters = [.. line.Split('÷', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                .Select(c =>
                    string.Concat(c.Split('×', StringSplitOptions.TrimEntries)
                        .Select(x => char.ConvertFromUtf32(Convert.ToInt32(x, 16)))))];
            var text = string.Concat(clusters);
            var got = new List<string>();
            for (int at = 0, end; at < text.Length; at = end)
            {
                end = GraphemeClusters.Next(text, at);
                got.Add(text[at..end]);
            }

            Assert.Equal(clusters, got);
            lines++;
        }

        Assert.True(lines > 600, $"only {lines} lines");
    }

    [Theory]
    [InlineData('İ', "i̇")]
    [InlineData('Σ', "σ")]
    [InlineData('a', "")]
    public void Lower_case_is_the_full_mapping(char character, string expected)
        => Assert.Equal(expected, string.Concat(UnicodeData.GetLowerCase(character).ToArray().Select(char.ConvertFromUtf32)));

    [Theory]
    [InlineData(0x3042, "Hiragana", 11)]
    [InlineData(0x32FF, "Common", 121)]
    [InlineData(0x10FFFF, "Unknown", 20)]
    [InlineData(0x0378, "Unknown", 0)]
    public void Script_and_age_are_those_of_the_database(int codePoint, string script, int age)
        => Assert.Equal((script, age), (UnicodeData.GetScript(codePoint), UnicodeData.GetAge(codePoint)));
}
