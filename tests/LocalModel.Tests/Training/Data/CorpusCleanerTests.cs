using System.Text;
using Kotonoha.LocalModel.Training.Data;

namespace Kotonoha.LocalModel.Tests.Training.Data;

public sealed class CorpusCleanerTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Planted_duplicates_are_found_and_originals_stay(bool japanese)
    {
        var writer = new Writer(japanese, seed: 5);
        var documents = new List<CorpusDocument>();
        HashSet<string> exact = [], near = [];
        for (int i = 0; i < 1500; i++)
        {
            var words = writer.Words(220);
            documents.Add(new CorpusDocument($"original {i}", writer.Text(words)));
            if (i % 5 == 0)
            {
                var shouted = writer.Text(words).ToUpperInvariant().Replace(". ", " …  ", StringComparison.Ordinal);
                documents.Add(new CorpusDocument($"exact {i}", shouted));
                exact.Add($"exact {i}");
            }
            else if (i % 5 == 1)
            {
                // Four words of 220 differ: at least 0.83 of the shingles are shared.
                documents.Add(new CorpusDocument($"near {i}", writer.Text(writer.Edited(words, 4))));
                near.Add($"near {i}");
            }
            else if (i % 5 == 2)
            {
                // Half of it is quoted: a document of its own.
                documents.Add(new CorpusDocument($"quoting {i}", writer.Text([.. words[..110], .. writer.Words(110)])));
            }
        }

        var dropped = new List<DroppedDocument>();
        var cleaner = new CorpusCleaner(new CorpusCleanerOptions { Dropped = dropped.Add });
        var kept = cleaner.Clean(documents).ToList();

        var right = dropped.Where(d => exact.Contains(d.Name) || near.Contains(d.Name)).ToList();
        Assert.Equal(exact.Count, dropped.Count(d => exact.Contains(d.Name) && d.Reason == DropReason.ExactDuplicate));
        Assert.InRange(right.Count, 0.99 * (exact.Count + near.Count), exact.Count + near.Count);
        Assert.InRange(dropped.Count - right.Count, 0, 0.001 * (documents.Count - exact.Count - near.Count));
        Assert.All(right, d => Assert.Equal($"original {d.Name.Split(' ')[1]}", d.Original));
        Assert.Equal(documents.Count, kept.Count + dropped.Count);
        Assert.Equal((documents.Count, kept.Count), (cleaner.Report.Read, cleaner.Report.Kept));
        Assert.Equal(dropped.Count, cleaner.Report.Dropped.Values.Sum());
    }

    [Fact]
    public void Long_documents_are_compared_by_a_part_that_stands_for_the_whole()
    {
        var writer = new Writer(japanese: false, seed: 9);
        var words = writer.Words(6000);
        var cleaner = new CorpusCleaner();
        var kept = cleaner.Clean(
        [
            new("long", writer.Text(words)),
            new("edited", writer.Text(writer.Edited(words, 60))),
            new("half", writer.Text([.. words[..3000], .. writer.Words(3000)])),
        ]).Select(d => d.Name);
        Assert.Equal(["long", "half"], kept);
    }

    [Theory]
    [InlineData("Too few.", DropReason.TooShort)]
    [InlineData("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32", DropReason.FewLetters)]
    [InlineData("This text was read \uFFFD\uFFFD in a wrong encoding \uFFFD so that its \uFFFD characters were lost on the way.",
        DropReason.BrokenEncoding)]
    [InlineData("Click here to go on.\nClick here to go on.\nClick here to go on.\nSomething else stands here as well.",
        DropReason.RepeatedLines)]
    [InlineData("- apples and pears\n- bread and butter\n- milk and honey\n- salt and pepper", DropReason.ListsAndFragments)]
    [InlineData("Der Text ist zwar lang genug, aber in der falschen Schrift geschrieben.", DropReason.OtherScript)]
    public void A_document_is_left_out_for_the_reason_that_is_reported(string text, DropReason reason)
    {
        var dropped = new List<DroppedDocument>();
        var cleaner = new CorpusCleaner(new CorpusCleanerOptions { Scripts = ["Japanese"], Dropped = dropped.Add });
        Assert.Empty(cleaner.Clean([new CorpusDocument("it", text)]));
        Assert.Equal([new DroppedDocument("it", reason, null)], dropped);
    }

    [Theory]
    [InlineData("The quick brown fox 狐", "Latin")]
    [InlineData("吾輩は猫である。名前はまだ無い。", "Japanese")]
    [InlineData("今天天气很好，我们去公园散步。", "Han")]
    [InlineData("오늘은 날씨가 좋습니다", "Hangul")]
    [InlineData("Съешь ещё этих мягких булок", "Cyrillic")]
    [InlineData("12:30 — 45%", "Unknown")]
    public void The_script_of_a_text_is_told_by_its_letters(string text, string script)
        => Assert.Equal(script, CorpusText.Script(text));

    [Fact]
    public void Documents_without_letters_are_no_duplicates_of_each_other()
    {
        var cleaner = new CorpusCleaner(new CorpusCleanerOptions { MinLetters = 0, MinCharacters = 3 });
        Assert.Equal(2, cleaner.Clean([new CorpusDocument("a", "+-*/"), new CorpusDocument("b", "<=>!")]).Count());
    }

    [Fact]
    public void Texts_are_normalised_before_they_are_kept()
    {
        var text = "\uFEFFCafe\u0301 and other words that are long enough \u0007to stay in the corpus.  \r\n\r\n\r\n\r\nA second part.\n\n";
        Assert.Equal("Café and other words that are long enough to stay in the corpus.\n\nA second part.",
            Assert.Single(new CorpusCleaner().Clean([new CorpusDocument("it", text)])).Text);
    }

    [Fact]
    public void Lines_that_many_documents_have_are_taken_out_of_later_ones_and_counted()
    {
        var writer = new Writer(japanese: false, seed: 2);
        var cleaner = new CorpusCleaner(new CorpusCleanerOptions { MaxDocumentsOfLine = 2, MinLineCharacters = 10 });
        var kept = cleaner.Clean(Enumerable.Range(0, 5).Select(
            i => new CorpusDocument($"{i}", $"Menu\n{writer.Text(writer.Words(40))}\nAll rights reserved by the publisher."))).ToList();
        Assert.Equal([true, true, false, false, false], kept.Select(d => d.Text.Contains("reserved", StringComparison.Ordinal)));
        Assert.All(kept, d => Assert.DoesNotContain("Menu", d.Text, StringComparison.Ordinal));
        Assert.Equal(5 + 3, cleaner.Report.LinesRemoved);
    }

    [Fact]
    public void Documents_are_read_as_they_are_asked_for()
    {
        var writer = new Writer(japanese: false, seed: 3);
        int read = 0;
        IEnumerable<CorpusDocument> Endless()
        {
            while (true)
                yield return new CorpusDocument($"{read++}", writer.Text(writer.Words(30)));
        }

        Assert.Equal(3, new CorpusCleaner().Clean(Endless()).Take(3).Count());
        Assert.InRange(read, 3, 4);
    }

    /// <summary>Writes documents of random words, which have next to nothing in common.</summary>
    private sealed class Writer(bool japanese, int seed)
    {
        private readonly Random _random = new(seed);

        public string[] Words(int count) => [.. Enumerable.Range(0, count).Select(_ => Word())];

        public string[] Edited(string[] words, int edits)
        {
            string[] edited = [.. words];
            for (int i = 0; i < edits; i++)
                edited[_random.Next(edited.Length)] = Word();
            return edited;
        }

        public string Text(string[] words)
        {
            var text = new StringBuilder();
            for (int i = 0; i < words.Length; i++)
                text.Append(words[i]).Append(japanese ? (i % 12 == 11 ? "。" : "") : i % 12 == 11 ? ". " : " ");
            return text.ToString();
        }

        private string Word() => japanese
            ? $"{(char)_random.Next(0x3042, 0x3094)}"
            : string.Concat(Enumerable.Range(0, _random.Next(2, 9)).Select(_ => (char)_random.Next('a', 'z' + 1)));
    }
}
