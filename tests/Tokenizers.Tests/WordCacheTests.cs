namespace Kotonoha.Tokenizers.Tests;

public sealed class WordCacheTests
{
    [Fact]
    public void Words_that_differ_in_one_place_are_told_apart_at_every_length()
    {
        var cache = new WordCache();
        for (int length = 1; length <= WordCache.MaxWordLength; length++)
        {
            var word = new string('a', length).ToCharArray();
            Keep(cache, word, length);
            for (int at = 0; at < length; at++)
            {
                word[at] = '\u0161';
                Assert.Null(cache.Find(word, out _));
                word[at] = 'a';
            }
        }

        for (int length = 1; length <= WordCache.MaxWordLength; length++)
            Assert.Equal([length], Assert.IsType<WordCache.Entry>(cache.Find(new string('a', length), out _)).Ids);
    }

    private static void Keep(WordCache cache, ReadOnlySpan<char> word, int id)
    {
        Assert.Null(cache.Find(word, out var key));
        cache.Add(word, key, [id], [0], [word.Length]);
    }
}
