using System.Text;
using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>
/// A SentencePiece model by itself, with what only SentencePiece gives: normalised text, surfaces, scores and the best segmentations. To
/// use the model as a tokenizer of a language model, see <see cref="Tokenizer.ParseSentencePiece"/>.
/// </summary>
/// <remarks>Immutable and thread-safe. Lone surrogates are read as U+FFFD. Source of the rules: SentencePiece 0.2.</remarks>
internal sealed class SentencePieceProcessor
{
    private readonly SentencePieceSpec _spec;
    private readonly SentencePieceModel _model;
    private readonly SentencePieceNormalizer _normalizer;

    private SentencePieceProcessor(SentencePieceSpec spec)
    {
        _spec = spec;
        _model = new SentencePieceModel(spec);
        _normalizer = new SentencePieceNormalizer(spec, _model.Pieces.UserDefined);
    }

    /// <summary>The number of pieces.</summary>
    public int PieceCount => _model.Pieces.Pieces.Length;

    /// <summary>Reads a <c>.model</c> file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The processor.</returns>
    /// <exception cref="TokenizerException">The file cannot be read or is malformed.</exception>
    public static SentencePieceProcessor Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            return new SentencePieceProcessor(SentencePieceFile.Read(File.ReadAllBytes(path)));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or TokenizerException)
        {
            throw new TokenizerException($"{path}: {exception.Message}", exception);
        }
    }

    /// <summary>The piece of an id.</summary>
    /// <param name="id">The id.</param>
    /// <returns>The piece; blanks are U+2581.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such id.</exception>
    public string PieceOf(int id)
        => (uint)id < (uint)PieceCount
            ? _model.Pieces.Pieces[id].Text
            : throw new ArgumentOutOfRangeException(nameof(id), id, $"The model has {PieceCount} pieces.");

    /// <summary>Normalises a text as the model wants it.</summary>
    /// <param name="text">Any text.</param>
    /// <returns>The normalised text; blanks are U+2581.</returns>
    public string Normalize(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var output = new List<char>();
        _normalizer.Normalize(Tokenizer.WellFormed(text), output, []);
        return string.Concat(output);
    }

    /// <summary>Encodes a text.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="addBegin">Whether the begin piece comes first.</param>
    /// <param name="addEnd">Whether the end piece comes last.</param>
    /// <param name="reverse">Whether the pieces of the text are reversed.</param>
    /// <returns>The ids.</returns>
    /// <exception cref="InvalidOperationException">The model has no begin or end piece.</exception>
    public int[] EncodeIds(string text, bool addBegin = false, bool addEnd = false, bool reverse = false)
    {
        var ids = Encode(text).Select(piece => piece.Id);
        if (reverse)
            ids = ids.Reverse();
        if (addBegin)
            ids = ids.Prepend(IdOf(_spec.BeginPiece, "begin"));
        if (addEnd)
            ids = ids.Append(IdOf(_spec.EndPiece, "end"));
        return [.. ids];
    }

    /// <summary>Encodes a text into pieces with what they stand for.</summary>
    /// <param name="text">Any text.</param>
    /// <returns>The pieces.</returns>
    public IReadOnlyList<EncodedPiece> Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var source = Tokenizer.WellFormed(text);
        var normalized = new List<char>();
        var origins = new List<int>();
        _normalizer.Normalize(source, normalized, origins);
        var characters = normalized.ToArray();
        var segments = new List<Segment>();
        _model.Segment(characters, segments);
        var pieces = new EncodedPiece[segments.Count];
        for (int i = 0; i < pieces.Length; i++)
        {
            var (id, start, end) = segments[i];
            var surface = source[origins[start]..origins[end]].ToString();
            bool isByte = _model.Pieces.Pieces[id].Type == PieceType.Byte;
            if (isByte && i + 1 < pieces.Length && segments[i + 1].Start == start)
                surface = "";
            pieces[i] =
                new EncodedPiece(id, id == _model.Pieces.UnknownId ? new string(characters, start, end - start) : PieceOf(id), surface);
        }

        return pieces;
    }

    /// <summary>The best segmentations of a text under a unigram model.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="count">How many at most.</param>
    /// <returns>The ids and the score (the sum of the pieces' scores) of each, the best first.</returns>
    /// <exception cref="InvalidOperationException">The model is not a unigram model.</exception>
    public IReadOnlyList<(int[] Ids, double Score)> EncodeBest(string text, int count)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        var unigram = _model.Unigram ?? throw new InvalidOperationException("Only a unigram model has scores of segmentations.");
        var normalized = Normalize(text);
        var results = new List<(int[], double)>();
        foreach (var (path, score) in unigram.Best(normalized, count))
        {
            List<Segment> segments = [.. path];
            _model.Finish(normalized, segments);
            results.Add(([.. segments.Select(s => s.Id)], score));
        }

        return results;
    }

    /// <summary>Decodes ids.</summary>
    /// <param name="ids">The ids; control pieces stand for no text.</param>
    /// <returns>The text.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such id.</exception>
    public string Decode(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var output = new StringBuilder();
        var stream = new SentencePieceDecoder(_spec, _model.Pieces).Start(new TextStream(output), incremental: false);
        foreach (int id in ids)
            stream.Push(PieceOf(id) is var piece && _model.Pieces.Pieces[id].Type == PieceType.Control ? "" : piece, endsToken: true);
        stream.Finish();
        return SentencePieceDecoder.Denormalize(_spec, output.ToString());
    }

    private int IdOf(string? piece, string role)
        => piece is not null && _model.Vocabulary.TryGetId(piece, out int id)
            ? id
            : throw new InvalidOperationException($"The model has no {role} piece.");
}

/// <summary>A piece of an encoded text.</summary>
/// <param name="Id">The piece's id.</param>
/// <param name="Piece">The piece; for the unknown piece the normalised characters that it stands for.</param>
/// <param name="Surface">The part of the text; of several byte pieces of one character, the last one has it.</param>
internal sealed record EncodedPiece(int Id, string Piece, string Surface);

/// <summary>
/// SentencePiece's own normalisation: at each place the longest user-defined piece, otherwise the longest rule, otherwise the character;
/// then blanks (source: normalizer.cc of SentencePiece 0.2).
/// </summary>
internal sealed class SentencePieceNormalizer : INormalizer
{
    private const char Meta = '\u2581';

    [ThreadStatic]
    private static (List<char> Text, List<int> Origins)? _scratch;

    private readonly SentencePieceSpec _spec;
    private readonly CharsMap? _rules;
    private readonly TokenTrie? _userDefined;

    /// <summary>Creates the component.</summary>
    /// <param name="spec">The model's settings.</param>
    /// <param name="userDefined">The pieces that are never changed, or null when there is none.</param>
    public SentencePieceNormalizer(SentencePieceSpec spec, TokenTrie? userDefined)
    {
        (_spec, _userDefined) = (spec, userDefined);
        _rules = spec.CharsMap.Length == 0 ? null : new CharsMap(spec.CharsMap);
    }

    /// <summary>Normalises a text.</summary>
    /// <param name="text">Well-formed text.</param>
    /// <param name="output">Receives the characters.</param>
    /// <param name="origins">
    /// Receives for each character how much of the text had been read before it, and finally how much was read in all.
    /// </param>
    public void Normalize(ReadOnlySpan<char> text, List<char> output, List<int> origins)
    {
        output.Clear();
        origins.Clear();
        int at = 0;
        if (_spec.RemoveExtraWhitespaces)
            while (at < text.Length && Prefix(text, at, out int width) is [' '])
                at += width;
        if (at == text.Length)
        {
            origins.Add(at);
            return;
        }

        char blank = _spec.EscapeWhitespaces ? Meta : ' ';
        if (!_spec.TreatWhitespaceAsSuffix && _spec.AddDummyPrefix)
            Add(blank, at);
        bool afterBlank = _spec.RemoveExtraWhitespaces;
        while (at < text.Length)
        {
            var part = Prefix(text, at, out int width);
            if (afterBlank)
                part = part.TrimStart(' ');
            foreach (char c in part)
                Add(c == ' ' ? blank : c, at);
            if (!part.IsEmpty)
                afterBlank = part[^1] == ' ';
            at += width;
            afterBlank &= _spec.RemoveExtraWhitespaces;
        }

        if (_spec.RemoveExtraWhitespaces)
            while (output.Count > 0 && output[^1] == blank)
            {
                at = origins[^1];
                output.RemoveAt(output.Count - 1);
                origins.RemoveAt(origins.Count - 1);
            }

        if (_spec.TreatWhitespaceAsSuffix && _spec.AddDummyPrefix)
            Add(blank, at);
        origins.Add(at);

        void Add(char c, int origin)
        {
            output.Add(c);
            origins.Add(origin);
        }
    }

    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        var (output, origins) = _scratch ??= ([], []);
        int length = buffer.Text.Length;
        Normalize(buffer.Text, output, origins);
        var writer = buffer.Rewrite();
        for (int i = 0; i < output.Count; i++)
            writer.Append(output[i], Math.Min(origins[i], length - 1));
        writer.Finish();
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => throw NotTokenizerJson();

    /// <summary>The error that tokenizer.json has no component of SentencePiece's behaviour.</summary>
    internal static TokenizerException NotTokenizerJson()
        => new("A tokenizer made from a SentencePiece vocabulary cannot be written as tokenizer.json, whose components work otherwise. "
            + "Keep the file that it came from.");

    /// <summary>What the next part of the text becomes.</summary>
    private ReadOnlySpan<char> Prefix(ReadOnlySpan<char> text, int at, out int width)
    {
        if (_userDefined is not null && _userDefined.LongestMatch(text, at) is var end && end > at)
        {
            width = end - at;
            return text.Slice(at, width);
        }

        if (_rules is not null && _rules.TryLongest(text, at, out width, out var replacement))
            return replacement;
        width = char.IsHighSurrogate(text[at]) && at + 1 < text.Length ? 2 : 1;
        return text.Slice(at, width);
    }
}
