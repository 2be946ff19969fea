using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Models;

public sealed class BertTests
{
    private static readonly BertConfig Small =
        new() { VocabularySize = 20, Positions = 10, Width = 8, Layers = 1, Heads = 2, FeedForwardWidth = 16 };

    [Fact]
    public void A_fresh_model_has_the_parameters_of_its_kind_and_head()
    {
        int Count(BertConfig config)
        {
            using var weights = new ZeroWeights();
            using var model = new Bert(config, weights);
            return model.Parameters.Count;
        }

        int pooler = 2, block = 16, embeddings = 5;
        Assert.Equal(embeddings + block + pooler, Count(Small));
        Assert.Equal(embeddings - 1 + block, Count(Small with { Kind = BertKind.DistilBert }));
        Assert.Equal(embeddings + block + 5, Count(Small with { Head = EncoderHead.MaskedLanguageModel }));
        Assert.Equal(embeddings + block + 6, Count(Small with { Head = EncoderHead.MaskedLanguageModel, TieWordEmbeddings = false }));
        Assert.Equal(embeddings + block + 4, Count(Small with { Kind = BertKind.Roberta, Head = EncoderHead.SequenceClassification }));
        Assert.Equal(embeddings + block + pooler + 2, Count(Small with { Head = EncoderHead.NextSentence }));
    }

    [Fact]
    public void Texts_that_do_not_fit_and_settings_that_contradict_are_refused()
    {
        using var weights = new ZeroWeights();
        using var model = new Bert(Small with { Kind = BertKind.Roberta, PaddingId = 1 }, weights);
        using var backend = new CpuBackend(1);
        using var pass = new CpuInferencePass(backend);
        Assert.Equal(8, model.ContextLength);
        pass.Begin();
        Assert.Equal(8, model.Forward(pass, Batch.Packed(new int[8])).Rows);
        Assert.Throws<ArgumentException>(() => model.Forward(pass, Batch.Packed(new int[9])));
        Assert.Throws<InvalidOperationException>(
            () => model.Logits(pass, model.Forward(pass, Batch.Packed(new int[2])), Batch.Packed(new int[2])));
        Assert.Throws<UnsupportedModelException>(() => (Small with { Heads = 3 }).Validate());
        Assert.Throws<UnsupportedModelException>(() => (Small with { ActivationFunction = "mish" }).Validate());
        Assert.Throws<UnsupportedModelException>(
            () => (Small with { Kind = BertKind.DistilBert, Head = EncoderHead.NextSentence }).Validate());
        Assert.Throws<UnsupportedModelException>(() => (Small with { Kind = BertKind.Roberta, PaddingId = 9 }).Validate());
    }

    [Fact]
    public void Token_types_are_zero_unless_given_and_forgotten_when_the_batch_is_cleared()
    {
        var batch = new Batch(2);
        batch.Append([5, 6, 7], [0, 1, 1]);
        batch.Append([8]);
        Assert.Equal([0, 1, 1, 0], batch.TypeIds.ToArray());
        batch.Append([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 1]);
        Assert.Equal([0, 1, 1, 0, 1, 1, 1, 1, 1, 1], batch.TypeIds.ToArray());
        batch.Clear();
        batch.Append([9, 9, 9]);
        Assert.Equal([0, 0, 0], batch.TypeIds.ToArray());
        Assert.Throws<ArgumentException>(() => batch.Append([1, 2], [1]));
    }
}
