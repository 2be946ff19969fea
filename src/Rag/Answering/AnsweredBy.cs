namespace Kotonoha.Rag.Answering;

/// <summary>Who wrote the text of an answer.</summary>
public enum AnsweredBy
{
    /// <summary>Sentences quoted from the documents.</summary>
    Extraction,

    /// <summary>A chat model, whose sentences were found supported by the quotations.</summary>
    Model,
}
