using System.Text;

namespace Kotonoha.Tokenizers.Tests;

/// <summary>SentencePiece models that the tests write themselves, so small that the best segmentation can be worked out by hand.</summary>
public sealed class SentencePieceTests
{
    private static readonly (string, float, int)[] Pieces =
    [
        ("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("▁", -3, 1), ("a", -2, 1), ("b", -2.5f, 1), ("ab", -4, 1), ("▁a", -4, 1),
        ("<u>", 0, 4),
    ];

    [Fact]
    public void The_best_path_wins_and_scores_are_sums()
    {
        using var model = Write(Pieces, kind: 1);
        var processor = SentencePieceProcessor.Load(model.File);

        // ▁a b = -6.5, ▁ ab = -7, ▁ a b = -7.5.
        Assert.Equal([7, 5], processor.EncodeIds("ab"));
        Assert.Equal([-6.5, -7, -7.5], processor.EncodeBest("ab", 5).Select(b => b.Score));
        Assert.Equal([1, 5, 7, 2], processor.EncodeIds("ab", addBegin: true, addEnd: true, reverse: true));
    }

    [Fact]
    public void Neighbouring_unknown_characters_are_one_piece_with_their_surface()
    {
        using var model = Write(Pieces, kind: 1);
        var pieces = SentencePieceProcessor.Load(model.File).Encode("  a猫犬  b ");
        Assert.Equal([("▁a", "a"), ("猫犬", "猫犬"), ("▁", "  "), ("b", "b")], pieces.Select(p => (p.Piece, p.Surface)));
    }

    [Fact]
    public void User_defined_pieces_are_always_taken_and_control_pieces_never()
    {
        using var model = Write(Pieces, kind: 1);
        var processor = SentencePieceProcessor.Load(model.File);
        Assert.Equal(["▁a", "<u>", "b"], processor.Encode("a<u>b").Select(p => p.Piece));
        Assert.Equal(0, processor.EncodeIds("<s>")[^1]);
        Assert.Equal("a<u>b", processor.Decode([1, 7, 8, 5, 2]));
    }

    [Fact]
    public void A_byte_pair_model_joins_the_highest_score_first()
    {
        using var model =
            Write([("<unk>", 0, 2), ("▁", -9, 1), ("a", -9, 1), ("b", -9, 1), ("c", -9, 1), ("bc", -1, 1), ("ab", -2, 1), ("▁ab", -3, 1)],
                kind: 2);
        var processor = SentencePieceProcessor.Load(model.File);
        Assert.Equal(["▁", "a", "bc"], processor.Encode("abc").Select(p => p.Piece));
        Assert.Equal(["▁ab"], processor.Encode("ab").Select(p => p.Piece));
        Assert.Throws<InvalidOperationException>(() => processor.EncodeBest("ab", 1));
    }

    [Fact]
    public void As_a_tokenizer_it_adds_what_the_configuration_asks_for()
    {
        using var model = Write(Pieces, kind: 1);
        Assert.Equal([7, 5], Tokenizer.Load(model.File).Encode("ab"));
        File.WriteAllText(Path.Combine(Path.GetDirectoryName(model.File)!, "tokenizer_config.json"),
            """{"add_eos_token": true, "added_tokens_decoder": {"9": {"content": "<x>", "special": true}}}""");
        var tokenizer = Tokenizer.Load(model.File);
        Assert.Equal([1, 7, 5, 9, 2], tokenizer.Encode("ab<x>", parseSpecialTokens: true));
        Assert.Equal("ab", tokenizer.Decode([1, 7, 5, 2], skipSpecialTokens: true));
    }

    [Fact]
    public void Every_cut_or_changed_file_is_read_or_refused()
    {
        using var model = Write(Pieces, kind: 1);
        var bytes = File.ReadAllBytes(model.File);
        var random = new Random(3);
        for (int round = 0; round < 3_000; round++)
        {
            var changed = round < bytes.Length ? bytes[..round] : [.. bytes];
            if (round >= bytes.Length)
                for (int change = random.Next(1, 4); change > 0; change--)
                    changed[random.Next(changed.Length)] = (byte)random.Next(256);
            try
            {
                Tokenizer.ParseSentencePiece(changed).Encode("ab a<u>猫");
            }
            catch (TokenizerException)
            {
            }
        }
    }

    private static Model Write((string Text, float Score, int Type)[] pieces, int kind)
    {
        var stream = new MemoryStream();
        foreach (var (text, score, type) in pieces)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            stream.Write(
                [0x0A, (byte)(bytes.Length + 9), 0x0A, (byte)bytes.Length, .. bytes, 0x15, .. BitConverter.GetBytes(score), 0x18,
                    (byte)type]);
        }

        stream.Write([0x12, 0x02, 0x18, (byte)kind]);
        var model = new Model();
        File.WriteAllBytes(model.File, stream.ToArray());
        return model;
    }

    private sealed class Model : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        public string File => Path.Combine(_folder.Path, "tokenizer.model");

        public void Dispose() => _folder.Dispose();
    }
}
