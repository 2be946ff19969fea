using System.Text;
using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.Models;

namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>A SentencePiece model as a step of the pipeline: pieces of normalised text, unknown ones as bytes or joined. Thread-safe.</summary>
internal sealed class SentencePieceModel : ITokenModel
{
    [ThreadStatic]
    private static List<Segment>? threadSegments;

    private readonly ISegmenter segmenter;
    private readonly bool byteFallback;

    public SentencePieceModel(SentencePieceSpec spec)
    {
        (Spec, Pieces) = (spec, new SentencePieceVocabulary(spec));
        byteFallback = spec.ByteFallback;
        segmenter = spec.Kind switch
        {
            SentencePieceKind.Bpe => new BpeSegmenter(Pieces),
            SentencePieceKind.Word => new WordSegmenter(Pieces, spec.TreatWhitespaceAsSuffix),
            SentencePieceKind.Char => new CharSegmenter(Pieces),
            _ => new UnigramSegmenter(Pieces),
        };
    }

    public SentencePieceSpec Spec { get; }

    public SentencePieceVocabulary Pieces { get; }

    /// <inheritdoc/>
    public Vocabulary Vocabulary => Pieces.All;

    /// <inheritdoc/>
    public int SurfaceId => Pieces.UnknownId;

    /// <summary>The segmenter of a unigram model, or null.</summary>
    public UnigramSegmenter? Unigram => segmenter as UnigramSegmenter;

    /// <inheritdoc/>
    public void Tokenize(ReadOnlySpan<char> piece, TokenSink sink)
    {
        var segments = threadSegments ??= [];
        segments.Clear();
        segmenter.Segment(piece, segments);
        Finish(piece, segments);
        foreach (var (id, start, end) in segments)
            sink.Add(id, start, end);
        if (segments.Capacity > 1 << 18)
            threadSegments = null;
    }

    /// <summary>Cuts a normalised text into pieces.</summary>
    public void Segment(ReadOnlySpan<char> text, List<Segment> output)
    {
        output.Clear();
        segmenter.Segment(text, output);
        Finish(text, output);
    }

    /// <summary>Turns unknown parts into bytes, or joins neighbouring ones.</summary>
    public void Finish(ReadOnlySpan<char> text, List<Segment> segments)
    {
        bool hasUnknown = false;
        foreach (var segment in segments)
            hasUnknown |= segment.Id == Pieces.UnknownId;
        if (!hasUnknown)
            return;
        var result = new List<Segment>(segments.Count + 16);
        foreach (var segment in segments)
            if (segment.Id != Pieces.UnknownId)
            {
                result.Add(segment);
            }
            else if (byteFallback)
            {
                // A word that is unknown as a whole may be long.
                foreach (byte value in Encoding.UTF8.GetBytes(text[segment.Start..segment.End].ToArray()))
                    result.Add(segment with { Id = Pieces.ByteId(value) });
            }
            else if (result.Count > 0 && result[^1].Id == Pieces.UnknownId)
            {
                result[^1] = result[^1] with { End = segment.End };
            }
            else
            {
                result.Add(segment);
            }

        segments.Clear();
        segments.AddRange(result);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => throw SentencePieceNormalizer.NotTokenizerJson();
}
