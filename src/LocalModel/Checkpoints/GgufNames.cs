using System.Globalization;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>The names of weights: transformers' on the left, those of GGUF files on the right, one table for each family.</summary>
/// <remarks>Source: llama.cpp, <c>gguf-py/gguf/tensor_mapping.py</c>.</remarks>
internal static class GgufNames
{
    private const string GgufBlock = "blk.";

    private static readonly (string Architecture, string Root, string Blocks, (string Transformers, string Gguf)[] Names)[] Families =
    [
        ("gpt2", "transformer.", "h.",
        [
            ("wte", "token_embd"), ("wpe", "position_embd"), ("ln_f", "output_norm"), ("lm_head", "output"),
            ("ln_1", "attn_norm"), ("attn.c_attn", "attn_qkv"), ("attn.c_proj", "attn_output"), ("ln_2", "ffn_norm"),
            ("mlp.c_fc", "ffn_up"), ("mlp.c_proj", "ffn_down"),
        ]),
        ("bert", "bert.", "encoder.layer.",
        [
            ("embeddings.word_embeddings", "token_embd"), ("embeddings.position_embeddings", "position_embd"),
            ("embeddings.token_type_embeddings", "token_types"),
            ("embeddings.LayerNorm", "token_embd_norm"),
            ("attention.self.query", "attn_q"), ("attention.self.key", "attn_k"), ("attention.self.value", "attn_v"),
            ("attention.output.dense", "attn_output"),
            ("attention.output.LayerNorm", "attn_output_norm"), ("intermediate.dense", "ffn_up"), ("output.dense", "ffn_down"),
            ("output.LayerNorm", "layer_output_norm"),
        ]),
        ("llama", "model.", "layers.", LlamaNames), ("qwen2", "model.", "layers.", LlamaNames), ("qwen3", "model.", "layers.", LlamaNames),
        ("phi3", "model.", "layers.",
            [.. LlamaNames, ("self_attn.qkv_proj", "attn_qkv"), ("mlp.gate_up_proj", "ffn_up")]),
        ("gemma", "model.", "layers.", LlamaNames), ("gemma2", "model.", "layers.", GemmaNames),
        ("gemma3", "model.", "layers.", GemmaNames),
    ];

    private static (string, string)[] LlamaNames =>
    [
        ("embed_tokens", "token_embd"), ("norm", "output_norm"), ("lm_head", "output"),
        ("input_layernorm", "attn_norm"), ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"), ("self_attn.q_norm", "attn_q_norm"), ("self_attn.k_norm", "attn_k_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"),
    ];

    // The norm after attention is one of its outputs there, not the one before the feed-forward part.
    private static (string, string)[] GemmaNames =>
    [
        .. LlamaNames.Where(name => name.Item1 != "post_attention_layernorm"),
        ("post_attention_layernorm", "post_attention_norm"), ("pre_feedforward_layernorm", "ffn_norm"),
        ("post_feedforward_layernorm", "post_ffw_norm"),
    ];

    /// <summary>The architectures whose names are known.</summary>
    public static IEnumerable<string> Architectures => Families.Select(family => family.Architecture);

    /// <summary>
    /// The name in a GGUF file of a weight that transformers calls <paramref name="name"/> (with or without its root), or null where there
    /// is none.
    /// </summary>
    public static string? Of(string architecture, string name)
    {
        foreach (var family in Families)
        {
            if (family.Architecture != architecture)
                continue;
            if (name.StartsWith(family.Root, StringComparison.Ordinal))
                name = name[family.Root.Length..];
            int dot = name.LastIndexOf('.');
            if (dot < 0)
                return null;
            string ending = name[dot..], stem = name[..dot], block = "";
            if (stem.StartsWith(family.Blocks, StringComparison.Ordinal))
            {
                stem = stem[family.Blocks.Length..];
                int end = stem.IndexOf('.', StringComparison.Ordinal);
                if (end <= 0 || !int.TryParse(stem[..end], NumberStyles.None, CultureInfo.InvariantCulture, out _))
                    return null;
                block = string.Concat(GgufBlock, stem.AsSpan(0, end + 1));
                stem = stem[(end + 1)..];
            }

            foreach (var (transformers, gguf) in family.Names)
                if (transformers == stem)
                    return block + gguf + ending;
            return null;
        }

        return null;
    }

    /// <summary>
    /// What a GGUF file's weight has more than transformers' of the name: 1 for Gemma's norms, which transformers stores as differences
    /// from one.
    /// </summary>
    public static float OffsetOf(string architecture, string name)
        => architecture.StartsWith("gemma", StringComparison.Ordinal) && name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0;

    /// <summary>Whether transformers keeps a matrix with its inputs outermost, which GGUF files never do (GPT-2's projections).</summary>
    public static bool IsTransposed(string architecture, string name)
        => architecture == "gpt2" && name.EndsWith(".weight", StringComparison.Ordinal)
            && (name.Contains(".attn.c_", StringComparison.Ordinal) || name.Contains(".mlp.c_", StringComparison.Ordinal));
}
