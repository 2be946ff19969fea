using System.Globalization;
using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.Foundation.Json;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>
/// The <c>config.json</c> of a model of BERT's family, as transformers writes it; what a file leaves out has transformers' default.
/// </summary>
internal static class BertConfigFile
{
    private const int MaxLabels = 1 << 16;

    private static readonly Dictionary<string, BertKind> Kinds = new(StringComparer.Ordinal)
    {
        ["bert"] = BertKind.Bert,
        ["camembert"] = BertKind.Roberta,
        ["distilbert"] = BertKind.DistilBert,
        ["roberta"] = BertKind.Roberta,
        ["xlm-roberta"] = BertKind.Roberta,
    };

    // The ends of the names of transformers' classes.
    private static readonly (string Suffix, EncoderHead Head)[] Heads =
    [
        ("ForPreTraining", EncoderHead.Pretraining),
        ("ForMaskedLM", EncoderHead.MaskedLanguageModel),
        ("ForSequenceClassification", EncoderHead.SequenceClassification),
        ("ForTokenClassification", EncoderHead.TokenClassification),
        ("ForQuestionAnswering", EncoderHead.QuestionAnswering),
        ("ForNextSentencePrediction", EncoderHead.NextSentence),
    ];

    public static IEnumerable<string> ModelTypes => Kinds.Keys;

    public static bool Knows(string modelType) => Kinds.ContainsKey(modelType);

    /// <summary>Reads the settings.</summary>
    /// <param name="fields">The file.</param>
    /// <param name="modelType">A type that is known.</param>
    /// <param name="head">The head to load, or null for the one that the file names.</param>
    public static BertConfig Read(JsonFields fields, string modelType, EncoderHead? head)
    {
        var kind = Kinds[modelType];
        bool distilled = kind == BertKind.DistilBert, roberta = kind == BertKind.Roberta;
        foreach (var name in (string[])["is_decoder", "add_cross_attention"])
            if (fields.Boolean(name) == true)
                throw fields.Wrong(name, "is true: decoders of this family are not supported");
        if (fields.Text("position_embedding_type") is { } positions and not "absolute")
            throw fields.Wrong("position_embedding_type", $"is '{positions}'; absolute is supported");

        var config = new BertConfig
        {
            Kind = kind,
            VocabularySize = fields.Int32("vocab_size", 1) ?? (modelType == "roberta" ? 50265 : 30522),
            Positions = fields.Int32("max_position_embeddings", 1) ?? 512,
            Width = fields.Int32("hidden_size", 1) ?? fields.Int32("dim", 1) ?? 768,
            Layers = fields.Int32("num_hidden_layers", 1) ?? fields.Int32("n_layers", 1) ?? (distilled ? 6 : 12),
            Heads = fields.Int32("num_attention_heads", 1) ?? fields.Int32("n_heads", 1) ?? 12,
            FeedForwardWidth = fields.Int32("intermediate_size", 1) ?? fields.Int32("hidden_dim", 1) ?? 3072,
            TokenTypes = distilled ? 0 : fields.Int32("type_vocab_size", 0) ?? 2,
            PaddingId = fields.Int32("pad_token_id", 0) ?? (roberta ? 1 : 0),
            LayerNormEpsilon = distilled ? 1e-12f : (float)(fields.Number("layer_norm_eps") ?? 1e-12),
            ActivationFunction = fields.Text(distilled ? "activation" : "hidden_act") ?? "gelu",
            HiddenDropout = (float)(fields.Number(distilled ? "dropout" : "hidden_dropout_prob") ?? 0.1),
            AttentionDropout = (float)(fields.Number(distilled ? "attention_dropout" : "attention_probs_dropout_prob") ?? 0.1),
            TieWordEmbeddings = fields.Boolean("tie_word_embeddings") ?? true,
            Head = head ?? HeadOf(fields),
            LabelNames = Labels(fields),
        };
        config.Validate();
        return config;
    }

    /// <summary>Writes the settings as transformers does.</summary>
    /// <param name="file">The file.</param>
    /// <param name="config">The settings.</param>
    public static void Write(string file, BertConfig config)
    {
        bool distilled = config.Kind == BertKind.DistilBert;
        var (type, name) = config.Kind switch
        {
            BertKind.Roberta => ("roberta", "Roberta"),
            BertKind.DistilBert => ("distilbert", "DistilBert"),
            _ => ("bert", "Bert"),
        };
        var suffix = Heads.FirstOrDefault(h => h.Head == config.Head).Suffix ?? "Model";
        AtomicFile.Write(file, stream =>
        {
            using var writer = new Utf8JsonWriter(stream, JsonStyle.WriterOptions);
            writer.WriteStartObject();
            writer.WriteStartArray("architectures");
            writer.WriteStringValue(name + suffix);
            writer.WriteEndArray();
            writer.WriteString("model_type", type);
            writer.WriteNumber("vocab_size", config.VocabularySize);
            writer.WriteNumber("max_position_embeddings", config.Positions);
            writer.WriteNumber(distilled ? "dim" : "hidden_size", config.Width);
            writer.WriteNumber(distilled ? "n_layers" : "num_hidden_layers", config.Layers);
            writer.WriteNumber(distilled ? "n_heads" : "num_attention_heads", config.Heads);
            writer.WriteNumber(distilled ? "hidden_dim" : "intermediate_size", config.FeedForwardWidth);
            if (!distilled)
            {
                writer.WriteNumber("type_vocab_size", config.TokenTypes);
                writer.WriteNumber("layer_norm_eps", config.LayerNormEpsilon);
            }

            writer.WriteNumber("pad_token_id", config.PaddingId);
            writer.WriteString(distilled ? "activation" : "hidden_act", config.ActivationFunction);
            writer.WriteNumber(distilled ? "dropout" : "hidden_dropout_prob", config.HiddenDropout);
            writer.WriteNumber(distilled ? "attention_dropout" : "attention_probs_dropout_prob", config.AttentionDropout);
            writer.WriteBoolean("tie_word_embeddings", config.TieWordEmbeddings);
            if (config.Head is EncoderHead.SequenceClassification or EncoderHead.TokenClassification)
            {
                writer.WriteStartObject("id2label");
                for (int i = 0; i < config.LabelNames.Count; i++)
                    writer.WriteString(i.ToString(CultureInfo.InvariantCulture), config.LabelNames[i]);
                writer.WriteEndObject();
                writer.WriteStartObject("label2id");
                foreach (var (i, label) in config.LabelNames.Index())
                    writer.WriteNumber(label, i);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        });
    }

    // A class without one of these ends is loaded without its head, as transformers' AutoModel does.
    private static EncoderHead HeadOf(JsonFields fields)
    {
        foreach (var name in fields.TextList("architectures"))
            foreach (var (suffix, head) in Heads)
                if (name.EndsWith(suffix, StringComparison.Ordinal))
                    return head;
        return EncoderHead.None;
    }

    private static string[] Labels(JsonFields fields)
    {
        if (fields.Value("id2label") is null)
        {
            int count = fields.Int32("num_labels", 1, MaxLabels) ?? 2;
            return [.. Enumerable.Range(0, count).Select(i => string.Create(CultureInfo.InvariantCulture, $"LABEL_{i}"))];
        }

        var named = fields.Texts("id2label");
        var labels = new string[named.Count];
        foreach (var (number, label) in named)
        {
            if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int id) || id >= labels.Length
                || labels[id] is not null)
                throw fields.Wrong("id2label", $"should number the classes from 0, but has '{number}'");
            labels[id] = label;
        }

        return labels.Length > 0 ? labels : throw fields.Wrong("id2label", "is empty");
    }
}
