using System.Collections;
using System.Runtime.InteropServices;
using System.Text;

namespace Kotonoha.Tokenizers;

/// <summary>
/// Text files as a corpus: each line with its line end is one item. Files are read as they are enumerated, never held whole.
/// </summary>
public sealed class TextCorpus : IEnumerable<string>
{
    // A file without line ends is handed out in parts of this many units.
    private const int MaxItemUnits = 1 << 20;
    private static readonly string[] DefaultExtensions = [".txt", ".md"];

    private TextCorpus(IReadOnlyList<string> files) => Files = files;

    /// <summary>The files, in ordinal order of their paths.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>Takes a file, or all text files below a folder.</summary>
    /// <param name="path">The file or the folder.</param>
    /// <param name="extensions">Which files of a folder count; .txt and .md when none is given.</param>
    /// <returns>The corpus.</returns>
    /// <exception cref="TokenizerException">There is nothing at the path, or no such file below it.</exception>
    public static TextCorpus From(string path, params IReadOnlyList<string> extensions)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(path))
            return new TextCorpus([path]);
        if (!Directory.Exists(path))
            throw new TokenizerException($"Corpus '{path}' does not exist. Give a text file or a folder of text files.");
        var wanted = extensions.Count > 0 ? extensions : DefaultExtensions;
        var files = Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories)
            .Where(f => wanted.Contains(Path.GetExtension(f), StringComparer.OrdinalIgnoreCase))
            .Order(StringComparer.Ordinal)
            .ToArray();
        return files.Length > 0 ? new TextCorpus(files)
            : throw new TokenizerException(
                $"Corpus '{path}' has no file that ends in {string.Join(", ", wanted)}. Give another folder, or name the extensions.");
    }

    /// <summary>Enumerates the lines of all files.</summary>
    /// <returns>The lines, each with its line end.</returns>
    /// <exception cref="TokenizerException">A file cannot be read or is not UTF-8.</exception>
    public IEnumerator<string> GetEnumerator() => Files.SelectMany(Lines).GetEnumerator();

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static IEnumerable<string> Lines(string file)
    {
        StreamReader reader;
        try
        {
            reader = new StreamReader(file, new UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"Corpus file '{file}' cannot be read: {exception.Message}", exception);
        }

        using (reader)
        {
            var buffer = new char[1 << 16];
            var line = new StringBuilder();
            int number = 1;
            for (int count; (count = Read(reader, buffer, file, number)) > 0;)
            {
                int from = 0;
                while (from < count)
                {
                    int end = buffer.AsSpan(from, count - from).IndexOf('\n');
                    int next = end < 0 ? count : from + end + 1;
                    line.Append(buffer, from, next - from);
                    from = next;
                    if (end >= 0 || (line.Length >= MaxItemUnits && !char.IsHighSurrogate(line[^1])))
                    {
                        yield return line.ToString();
                        line.Clear();
                        number += end >= 0 ? 1 : 0;
                    }
                }
            }

            if (line.Length > 0)
                yield return line.ToString();
        }
    }

    private static int Read(StreamReader reader, char[] buffer, string file, int line)
    {
        try
        {
            return reader.Read(buffer, 0, buffer.Length);
        }
        catch (DecoderFallbackException exception)
        {
            throw new TokenizerException($"Corpus file '{file}' is not UTF-8 (at or soon after line {line}). Convert it to UTF-8.",
                exception);
        }
        catch (IOException exception)
        {
            throw new TokenizerException($"Corpus file '{file}' cannot be read: {exception.Message}", exception);
        }
    }
}

/// <summary>Counts the words of a corpus as a pre-tokenizer cuts and spells them.</summary>
internal static class WordCounter
{
    public static Dictionary<string, long> Count(
        IEnumerable<string> texts, INormalizer? normalizer, IPreTokenizer? preTokenizer, CancellationToken cancellationToken)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        var lookup = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        var buffer = new PieceBuffer();
        foreach (var text in texts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            buffer.Load(Tokenizer.WellFormed(text), 0, trackOffsets: preTokenizer?.NeedsOrigins ?? false);
            normalizer?.Normalize(buffer);
            preTokenizer?.PreTokenize(buffer);
            for (int piece = 0; piece < buffer.PieceCount; piece++)
                CollectionsMarshal.GetValueRefOrAddDefault(lookup, buffer.Piece(piece), out _)++;
        }

        return counts;
    }
}

/// <summary>The patterns that cut text into words for byte-level BPE.</summary>
public enum WordPattern
{
    /// <summary>GPT-2's: a blank goes with the word after it, numbers and punctuation stay whole.</summary>
    Gpt2,

    /// <summary>cl100k's as Llama 3 spells it: at most three digits per word, line ends go with the punctuation before them.</summary>
    Cl100k,
}
